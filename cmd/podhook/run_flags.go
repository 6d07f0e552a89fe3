package main

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podhook/podhook/agent/lifecycle"
	"github.com/podhook/podhook/hooks/config"
)

// runFlags holds the flags and the command of podhook run.
type runFlags struct {
	group       bool
	subreaper   bool
	rewrite     map[syscall.Signal]syscall.Signal
	parentDeath syscall.Signal
	remap       map[int]bool
	prestart    lifecycle.Mode
	waitAll     time.Duration // 0: what CMD leaves behind is not waited for
	argv        []string

	// The rest is what other inits do (drop_in.go).

	session, suspend bool           // see supervisor.Options
	farewell         syscall.Signal // see supervisor.Options
	notExecuted      int            // the exit code where CMD cannot be executed, 0 for that of a shell
	quiet            bool           // no warning if orphans are not reaped
	// What is printed: orphans, the start and the end of CMD, signals.
	tellReaped, tellLife, tellSignals bool
}

func newRunFlags(fs *flag.FlagSet) *runFlags {
	f := &runFlags{
		rewrite:  map[syscall.Signal]syscall.Signal{},
		remap:    map[int]bool{},
		prestart: lifecycle.Gate,
	}
	fs.BoolVar(&f.group, "g", false, "send signals to CMD's process group")
	fs.BoolVar(&f.subreaper, "s", false, "be a subreaper where podhook is not PID 1; with hooks it always is one")
	fs.Func("rewrite", "give CMD another signal, `FROM=TO`, as in TERM=QUIT; 0 drops it; may be repeated", f.addRewrite)
	fs.Func("parent-death", "get `SIGNAL` when the parent of podhook dies", f.setParentDeath)
	const remap = "exit with 0 if CMD exits with `CODE`; may be repeated"
	fs.Func("e", remap, f.addRemap)
	fs.Func("remap-exit", remap, f.addRemap)
	fs.Func("wait-all", "after CMD's end send TERM to all that is left, and wait for it, `DURATION` at most", f.setWaitAll)
	fs.Func("prestart", "when prestart runs: `MODE` is gate, background or off (default gate)", f.setPrestart)
	return f
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

func (f *runFlags) setWaitAll(text string) error {
	err := (*duration)(&f.waitAll).Set(text)
	if err == nil && f.waitAll <= 0 {
		err = errors.New("more than 0s is needed")
	}
	f.subreaper = true
	return err
}

func (f *runFlags) setPrestart(text string) error {
	switch mode := lifecycle.Mode(text); mode {
	case lifecycle.Gate, lifecycle.Background, lifecycle.Off:
		f.prestart = mode
		return nil
	}
	return errors.New("allowed are gate, background and off")
}
