package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/lifecycle"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/agent/supervisor"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/process"
)

// runFlags are the flags of podhook run, and its command.
type runFlags struct {
	group       bool
	subreaper   bool
	rewrite     map[syscall.Signal]syscall.Signal
	parentDeath syscall.Signal
	remap       map[int]bool
	prestart    lifecycle.Mode
	argv        []string
}

// parseRun stops at the first word that is no flag: what follows is CMD's own.
func parseRun(args []string) (*runFlags, error) {
	f := &runFlags{
		rewrite:  map[syscall.Signal]syscall.Signal{},
		remap:    map[int]bool{},
		prestart: lifecycle.Gate,
	}
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&f.group, "g", false, "")
	fs.BoolVar(&f.subreaper, "s", false, "")
	fs.Func("rewrite", "", f.addRewrite)
	fs.Func("parent-death", "", f.setParentDeath)
	fs.Func("e", "", f.addRemap)
	fs.Func("remap-exit", "", f.addRemap)
	fs.Func("prestart", "", f.setPrestart)
	if err := fs.Parse(args); err != nil {
		return nil, usagef("run: %v", err)
	}
	f.argv = fs.Args()
	if len(f.argv) == 0 {
		return nil, usagef("run: no command: podhook run [flags] -- CMD ARG...")
	}
	return f, nil
}

func (f *runFlags) addRewrite(text string) error {
	from, to, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("allowed is FROM=TO with names or numbers of signals, as in TERM=QUIT; TO may be 0")
	}
	sig, err := config.ParseSignal(from)
	if err != nil {
		return err
	}
	if sig == syscall.SIGKILL || sig == syscall.SIGSTOP || sig == syscall.SIGCHLD {
		return fmt.Errorf("%s cannot be rewritten: it is never forwarded", from)
	}
	if to == "0" {
		f.rewrite[sig] = 0
		return nil
	}
	f.rewrite[sig], err = config.ParseSignal(to)
	return err
}

func (f *runFlags) setParentDeath(text string) (err error) {
	f.parentDeath, err = config.ParseSignal(text)
	return err
}

func (f *runFlags) addRemap(text string) error {
	code, err := strconv.Atoi(text)
	if err != nil || code < 0 || code > 255 {
		return errors.New("allowed is an exit code from 0 to 255, which becomes 0")
	}
	f.remap[code] = true
	return nil
}

func (f *runFlags) setPrestart(text string) error {
	switch mode := lifecycle.Mode(text); mode {
	case lifecycle.Gate, lifecycle.Background, lifecycle.Off:
		f.prestart = mode
		return nil
	}
	return errors.New("allowed are gate, background and off")
}

// runMain is podhook as the init of a container: podhook run -- CMD ARG...
func runMain(ctx context.Context, c *call) int {
	f, err := parseRun(c.args)
	if err != nil {
		return c.fail(err)
	}
	p, err := openSettings(c, show.OwnLog())
	if err != nil && settings.Bypassed() {
		return f.exitCode(c, 0, supervisor.Command{Argv: f.argv, Env: c.env}.Exec())
	}
	if err != nil {
		return c.fail(err)
	}
	command := supervisor.Command{Argv: f.argv, Env: c.env}
	if p.settings.Disabled {
		return f.exitCode(c, 0, command.Exec())
	}
	reaper := process.NewReaper()
	r, err := p.openHookRuntime(ctx, c, reaper, f, command)
	if err != nil {
		return c.fail(err)
	}
	defer r.close()
	if err := f.takeOrphans(c.stderr, reaper); err != nil {
		return c.fail(err)
	}
	s := supervisor.New(reaper, supervisor.Options{Group: f.group, Rewrite: r.rewrite, Hold: r.hold(), Lost: p.lost})
	code, err := s.Run(func() int {
		code, err := r.live(s, command)
		return f.exitCode(c, code, err)
	})
	if err != nil {
		return c.fail(err)
	}
	return code
}

// lost says that CMD did not get a signal.
func (p *parts) lost(sig syscall.Signal, err error) {
	p.logger.Error("signal lost, the main process did not get it", "signal", unix.SignalName(sig), "error", err.Error())
}

// exitCode is podhook's own: CMD's, remapped, or what a shell gives where CMD
// could not be executed.
func (f *runFlags) exitCode(c *call, code int, err error) int {
	var failed *supervisor.ExecError
	switch {
	case errors.As(err, &failed):
		fmt.Fprintf(c.stderr, "podhook: run: %v\n", err)
		return failed.ExitCode()
	case err != nil:
		return c.fail(err)
	case f.remap[code]:
		return 0
	}
	return code
}

// takeOrphans makes us the reaper of orphans, or warns that nobody may be, and asks
// for the signal of --parent-death.
func (f *runFlags) takeOrphans(stderr io.Writer, reaper *process.Reaper) error {
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
	if os.Getpid() != 1 && !process.IsSubreaper() {
		fmt.Fprintln(stderr, "podhook: run: neither PID 1 nor a subreaper: orphans of CMD are not reaped here (-s makes it one)")
	}
	return nil
}
