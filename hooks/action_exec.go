package hooks

import (
	"context"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

func execUnits(step *config.Step, do config.Exec) []unit {
	return []unit{{name: step.Name, argv: do.Argv, perform: runProgram}}
}

// runProgram starts the unit's argv and waits for its end.
func runProgram(ctx context.Context, a *action) {
	name, tail := a.unit.name, a.tail
	result, err := a.execute(ctx, a.unit.argv, func(l process.Line) {
		if !a.unit.step.Quiet {
			a.run.line(name, tail, l)
		}
	})
	a.settle(ctx, result, err)
}

// execute runs a program of the unit in the step's environment, and counts the signals
// that end it.
func (a *action) execute(ctx context.Context, argv []string, onLine func(process.Line)) (process.Result, error) {
	deadline, _ := ctx.Deadline()
	base, user, err := a.run.actAs(a.unit.step.User)
	if err != nil {
		return process.Result{}, err
	}
	env, marks := a.run.environment(base, a.unit, &a.rec, deadline)
	name, tail := a.unit.name, a.tail
	a.started = true
	result, err := a.run.runner.Options.Reaper.Run(ctx, process.Spec{
		Argv:            argv,
		Env:             env,
		Dir:             a.unit.step.WorkingDir,
		User:            user,
		NoNewPrivileges: a.unit.step.NoNewPrivileges,
		Marks:           marks,
		KillAfter:       min(a.unit.step.KillAfter, a.run.budget.killAfter),
		OnLine:          onLine,
		OnSignal: func(sig syscall.Signal) {
			a.run.say(name, tail, unix.SignalName(sig)+" sent: "+stopReason(ctx), true)
		},
	})
	a.run.count(func(t *state.Totals) {
		t.AddKills("SIGTERM", result.Sent.Term)
		t.AddKills("SIGKILL", result.Sent.Kill)
	})
	return result, err
}

// actAs returns the environment that a program starts from and the user that it runs
// as. A nil user is podhook's own.
func (x *run) actAs(whom *config.User) (env []string, user *process.User, err error) {
	if whom == nil {
		return x.runner.Options.Environ, nil, nil
	}
	account, err := whom.Account()
	own := map[string]bool{"HOME": true, "USER": true, "LOGNAME": true}
	env = append(without(x.runner.Options.Environ, own), account.Environ()...)
	return env, &process.User{UID: account.UID, GID: account.GID}, err
}

// settle records how a program ended.
func (a *action) settle(ctx context.Context, result process.Result, err error) {
	switch {
	case err != nil:
		a.fail(err.Error())
	case result.Stopped != "":
		a.stopped(ctx)
		if result.Survivors > 0 {
			a.rec.Error += fmt.Sprintf("; %d of its processes cannot be killed", result.Survivors)
			if result.Unkillable != nil {
				a.rec.Error += ": " + result.Unkillable.Error()
			}
		}
	case result.Signal != 0:
		a.signal, a.rec.Signal = result.Signal, unix.SignalName(result.Signal)
		a.fail("was killed by " + a.rec.Signal)
	case result.ExitCode != 0:
		a.rec.ExitCode = &result.ExitCode
		a.fail(fmt.Sprintf("exited with code %d", result.ExitCode))
	default:
		a.rec.ExitCode = &result.ExitCode
		a.succeed()
	}
}
