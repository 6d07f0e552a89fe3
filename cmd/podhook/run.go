package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks/process"
)

// defineRun is the init of a container: podhook run -- CMD ARG...
func defineRun(inv *invocation, fs *flag.FlagSet) action {
	f := newRunFlags(fs)
	inv.settingFlags(fs, "config", "listen")
	return func(ctx context.Context, words []string) int {
		if len(words) == 0 {
			return inv.fail(usagef("run: no command: podhook run [flags] -- CMD ARG..."))
		}
		f.argv = words
		return runMain(ctx, inv, f)
	}
}

func runMain(ctx context.Context, inv *invocation, f *runFlags) int {
	command := supervisor.Command{Argv: f.argv, Env: inv.env}
	c, err := openSettings(inv, show.OwnLog())
	switch {
	case err != nil && settings.Bypassed(), err == nil && c.settings.Disabled:
		return f.exitCode(inv, 0, command.Exec())
	case err != nil:
		return inv.fail(err)
	}
	reaper := process.NewReaper()
	r, err := c.openHookRuntime(ctx, inv, reaper, f, command)
	if err != nil {
		return inv.fail(err)
	}
	defer r.close()
	if err := f.configureProcess(inv, reaper); err != nil {
		return inv.fail(err)
	}
	supervisor.MakeThreads(r.threads())
	s := supervisor.New(reaper, supervisor.Options{
		Group: f.group, Session: f.session, Suspend: f.suspend, Farewell: f.farewell,
		Rewrite: r.rewrite, Hold: r.hold(), Lost: c.signalLost, Trace: f.trace(inv),
	})
	if r.alone() {
		status, err := s.RunAlone(command)
		return f.exitCode(inv, process.ExitCode(status), err)
	}
	code, err := s.Run(func() int {
		code, err := r.live(ctx, s, command)
		return f.exitCode(inv, code, err)
	})
	if err != nil {
		return inv.fail(err)
	}
	return code
}

// signalLost logs a signal that could not be delivered to CMD.
func (c *container) signalLost(sig syscall.Signal, err error) {
	c.logger.Error("signal lost, the main process did not get it", "signal", unix.SignalName(sig), "error", err.Error())
}

// exitCode returns the exit code of podhook run: that of CMD after --remap-exit, or
// 126 or 127 as a shell gives if CMD cannot be executed.
func (f *runFlags) exitCode(inv *invocation, code int, err error) int {
	var failed *supervisor.ExecError
	switch {
	case errors.As(err, &failed):
		inv.print(slog.LevelError, "run: "+err.Error())
		return cmp.Or(f.notExecuted, failed.ExitCode())
	case err != nil:
		return inv.fail(err)
	case f.remap[code]:
		return 0
	}
	return code
}

// configureProcess applies -s and --parent-death to this process, and warns if it
// does not reap the orphans of CMD.
func (f *runFlags) configureProcess(inv *invocation, reaper *process.Reaper) error {
	if f.subreaper {
		if err := reaper.Subreaper(); err != nil {
			return err
		}
	}
	if f.parentDeath != 0 {
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(f.parentDeath), 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl(PR_SET_PDEATHSIG)", err)
		}
	}
	if f.tellReaped {
		reaper.OnOrphan(func(pid int) { inv.print(slog.LevelInfo, "run: reaped orphan "+strconv.Itoa(pid)) })
	}
	if !f.quiet && os.Getpid() != 1 && !process.IsSubreaper() {
		inv.print(slog.LevelWarn, "run: neither PID 1 nor a subreaper: orphans of CMD are not reaped here (-s makes it one)")
	}
	return nil
}

// trace returns what prints the events that were asked for, or nil.
func (f *runFlags) trace(inv *invocation) func(supervisor.Event, int) {
	if !f.tellLife {
		return nil
	}
	return func(what supervisor.Event, number int) {
		if f.tellSignals || what == supervisor.Started || what == supervisor.Ended {
			inv.print(slog.LevelInfo, "run: "+string(what)+" "+strconv.Itoa(number))
		}
	}
}

// awaitAll returns what ends the processes that CMD leaves behind, or nil.
func (f *runFlags) awaitAll(c *container, reaper *process.Reaper) func(context.Context) {
	if f.waitAll == 0 {
		return nil
	}
	return func(ctx context.Context) {
		if left := reaper.EndDescendants(ctx, f.waitAll); left > 0 {
			c.logger.Warn("processes of the main process have outlived --wait-all", "processes", left)
		}
	}
}
