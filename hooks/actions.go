package hooks

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// sleep ends early where a shutdown sleeps for a main process that exits or is not
// there: then there is nothing left to wait for.
func (a *action) sleep(ctx context.Context, do config.Sleep) {
	timer := time.NewTimer(do.Duration)
	defer timer.Stop()
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case <-timer.C:
		a.succeed()
	case why := <-a.mainExit(waiting):
		a.succeed()
		a.say("not slept to the end: " + why)
	case <-ctx.Done():
		a.stopped(ctx)
	}
}

const mainHasExited = "the main process has exited"

// mainExit tells when the main process of a shutdown has exited, or why there is none.
func (a *action) mainExit(ctx context.Context) <-chan string {
	exited := make(chan string, 1)
	if a.hook.Name != config.Shutdown || a.Main == nil {
		return exited
	}
	go func() {
		switch err := a.Main.WaitExit(ctx, a.run.rec.Main); {
		case err == nil:
			exited <- mainHasExited
		case hasExited(err):
			exited <- err.Error()
		}
	}()
	return exited
}

// hasExited says whether a wait for the exit of a process came to that.
func hasExited(err error) bool {
	var gone *GoneError
	return err == nil || errors.As(err, &gone)
}

// sendSignal succeeds where the process is known to be gone: to be gone is what a
// stop signal is for, and nothing to retry until the grace period ends.
func (a *action) sendSignal(do config.Signal) {
	name, whom := signalName(do.Signal), "the main process"
	target := a.Main
	if do.To != "" {
		whom = do.To
		var err error
		if target, err = a.Target(do.To); err != nil {
			a.fail(err.Error())
			return
		}
	} else if target == nil {
		a.fail("no main process is configured: set PODHOOK_MAIN")
		return
	}
	err := target.Signal(do.Signal)
	var gone *GoneError
	switch {
	case errors.As(err, &gone):
		a.succeed()
		a.say(name + " not sent: " + gone.Why)
	case err != nil:
		a.fail(fmt.Sprintf("cannot send %s to %s: %v", name, whom, err))
	default:
		a.succeed()
		if do.To == "" {
			a.count(func(t *state.Totals) { t.AddSignal(name) })
		}
		a.say(name + " sent to " + whom)
	}
}

// signalName is such as SIGTERM; real-time signals have a number alone.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}

// program runs a unit's argv.
func (a *action) program(ctx context.Context) {
	deadline, _ := ctx.Deadline()
	base, user, err := a.actAs(a.step.User)
	if err != nil {
		a.fail(err.Error())
		return
	}
	env, marks := a.environment(base, a.unit, &a.rec, deadline)
	name, tail := a.name, a.tail
	result, err := a.Reaper.Run(ctx, process.Spec{
		Argv:      a.argv,
		Env:       env,
		Dir:       a.step.WorkingDir,
		User:      user,
		Marks:     marks,
		KillAfter: min(a.step.KillAfter, a.killAfter),
		OnLine:    func(l process.Line) { a.line(name, tail, l) },
	})
	a.count(func(t *state.Totals) {
		t.AddKills("SIGTERM", result.Sent.Term)
		t.AddKills("SIGKILL", result.Sent.Kill)
	})
	a.ended(ctx, result, err)
}

// actAs returns what a program gets of the container's environment, and whom it runs
// as; nil is podhook's own user.
func (x *run) actAs(whom *config.User) (env []string, user *process.User, err error) {
	if whom == nil {
		return x.Environ, nil, nil
	}
	account, err := whom.Account()
	own := map[string]bool{"HOME": true, "USER": true, "LOGNAME": true}
	env = append(without(x.Environ, own), account.Environ()...)
	return env, &process.User{UID: account.UID, GID: account.GID}, err
}

// ended records how a program ended.
func (a *action) ended(ctx context.Context, result process.Result, err error) {
	var start *process.StartError
	switch {
	case errors.As(err, &start):
		a.fail(err.Error())
	case result.Stopped != "":
		a.stopped(ctx)
		if result.Survivors > 0 {
			a.rec.Error += fmt.Sprintf("; %d processes of it cannot be killed", result.Survivors)
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
