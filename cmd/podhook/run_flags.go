package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"

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
	argv        []string
}

// parseRun reads the flags up to the first word that is no flag, which begins CMD.
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
