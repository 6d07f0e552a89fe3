package hooks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// perform does what a unit's action says and fills in its record's outcome.
func (x *run) perform(ctx context.Context, u unit, rec *state.StepRecord) {
	if ctx.Err() != nil {
		x.stopped(ctx, u.step, rec)
		return
	}
	if u.err != nil {
		rec.Outcome, rec.Error = state.Failed, u.err.Error()
		return
	}
	switch action := u.step.Action.(type) {
	case config.Exec, config.Scripts:
		x.program(ctx, u, rec)
	case config.Sleep:
		x.sleep(ctx, action, u.step, rec)
	case config.Signal:
		x.signal(action, rec)
	default:
		rec.Outcome, rec.Error = state.Failed, "this build cannot do "+action.Kind()
	}
}

// stopped records a step that the end of ctx has stopped and says whose time it
// was that ended.
func (x *run) stopped(ctx context.Context, step *config.Step, rec *state.StepRecord) {
	rec.Outcome = ended(ctx)
	deadline, _ := ctx.Deadline()
	switch {
	case rec.Outcome == state.Interrupted:
		rec.Error = "interrupted: " + context.Cause(ctx).Error()
	case deadline.Before(x.deadline):
		rec.Error = fmt.Sprintf("timed out after its timeout of %v", step.Timeout)
	case x.cut:
		rec.Error = fmt.Sprintf("timed out: the grace period of %v leaves hook %s no more time", x.Grace.Period, x.hook.Name)
	default:
		rec.Error = fmt.Sprintf("timed out after the timeout of %v of hook %s", x.hook.Timeout, x.hook.Name)
	}
}

func (x *run) sleep(ctx context.Context, action config.Sleep, step *config.Step, rec *state.StepRecord) {
	timer := time.NewTimer(action.Duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		rec.Outcome = state.Succeeded
	case <-ctx.Done():
		x.stopped(ctx, step, rec)
	}
}

// signal succeeds where the main process is gone: to be gone is what a stop
// signal is for, and nothing to retry until the grace period ends.
func (x *run) signal(action config.Signal, rec *state.StepRecord) {
	name := unix.SignalName(action.Signal)
	if x.Main == nil {
		rec.Outcome, rec.Error = state.Failed, "no main process is configured: set PODHOOK_MAIN"
		return
	}
	gone, err := x.Main.Signal(action.Signal)
	if err != nil {
		rec.Outcome, rec.Error = state.Failed, fmt.Sprintf("cannot send %s to the main process: %v", name, err)
		return
	}
	rec.Outcome = state.Succeeded
	if gone {
		x.say(rec, "the main process has exited already")
		return
	}
	x.rec.Totals.AddSignal(name)
	x.say(rec, name+" sent to the main process")
}

// say puts a line of podhook's own into a step's output.
func (x *run) say(rec *state.StepRecord, text string) {
	x.line(rec, newTail(), process.Line{Stream: process.Stdout, Text: []byte(text)})
}

// program runs a unit's argv.
func (x *run) program(ctx context.Context, u unit, rec *state.StepRecord) {
	deadline, _ := ctx.Deadline()
	env, marks := x.environment(u, rec, deadline)
	t := newTail()
	result, err := x.Reaper.Run(ctx, process.Spec{
		Argv:      u.argv,
		Env:       env,
		Dir:       u.step.WorkingDir,
		Marks:     marks,
		KillAfter: min(u.step.KillAfter, x.killAfter),
		OnLine:    func(l process.Line) { x.line(rec, t, l) },
	})
	rec.Tail = t.lines()
	x.rec.Totals.AddKills("SIGTERM", result.Sent.Term)
	x.rec.Totals.AddKills("SIGKILL", result.Sent.Kill)
	var start *process.StartError
	switch {
	case errors.As(err, &start):
		rec.Outcome, rec.Error = state.Failed, err.Error()
	case result.Stopped != "":
		x.stopped(ctx, u.step, rec)
		if result.Survivors > 0 {
			rec.Error += fmt.Sprintf("; %d processes of it cannot be killed", result.Survivors)
		}
	case result.Signal != 0:
		rec.Outcome, rec.Signal = state.Failed, unix.SignalName(result.Signal)
		rec.Error = "was killed by " + rec.Signal
	case result.ExitCode != 0:
		rec.Outcome, rec.ExitCode = state.Failed, &result.ExitCode
		rec.Error = fmt.Sprintf("exited with code %d", result.ExitCode)
	default:
		rec.Outcome, rec.ExitCode = state.Succeeded, &result.ExitCode
	}
}
