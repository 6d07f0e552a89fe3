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
)

// dropIn is another init in whose place podhook was called. Its command line and its
// variables are translated into the flags of podhook run.
type dropIn struct {
	name     string
	like     string    // its name and version, as it prints them
	out      io.Writer // for what the user asked for
	usage    string    // the answer to a wrong command line
	permute  bool      // options may follow the program
	options  []option
	complete func() // applies the variables
	flags    *runFlags
}

// answer ends the reading of a command line: the user asked for this text.
type answer struct{ text string }

func (a *answer) Error() string { return a.text }

// exitDropIn is the exit code of both inits after a wrong command line.
const exitDropIn = 1

// findDropIn returns the init whose name podhook was called by, or nil. docker-init is
// the tini of dockerd and containerd.
func (inv *invocation) findDropIn(name string) *dropIn {
	switch name {
	case "tini", "docker-init":
		return tini(name, inv.stdout)
	case "dumb-init":
		return dumbInit(name, inv.stderr)
	}
	return nil
}

func (d *dropIn) run(ctx context.Context, inv *invocation, args []string) int {
	if len(args) == 1 && args[0] == "--version" { // the only long option of tini
		fmt.Fprint(d.out, d.versionLine())
		return exitOK
	}
	words, err := getopt(args, d.permute, d.options)
	var asked *answer
	switch {
	case errors.As(err, &asked):
		fmt.Fprint(d.out, asked.text)
		return exitOK
	case err != nil:
		fmt.Fprintf(inv.stderr, "%s: %v\n", d.name, err)
	}
	if err != nil || len(words) == 0 {
		fmt.Fprint(inv.stderr, d.usage)
		return exitDropIn
	}
	d.complete()
	d.flags.argv = words
	inv.own = true
	return runMain(ctx, inv, d.flags)
}

func (d *dropIn) answers(text string) func(string) error {
	return func(string) error { return &answer{text} }
}

// versionLine begins as the init's own does, because dockerd reads that of docker-init.
func (d *dropIn) versionLine() string { return d.like + " - podhook " + version + "\n" }

func sets(to *bool) func(string) error {
	return func(string) error {
		*to = true
		return nil
	}
}

func counts(n *int) func(string) error {
	return func(string) error {
		*n++
		return nil
	}
}

func plainRunFlags() *runFlags { return newRunFlags(flag.NewFlagSet("", flag.ContinueOnError)) }

// tini is https://github.com/krallin/tini, version 0.19.0.
func tini(name string, stdout io.Writer) *dropIn {
	f, verbosity, tell := plainRunFlags(), 1, false
	d := &dropIn{name: name, like: "tini version 0.19.0", out: stdout, flags: f}
	d.usage = "Usage: " + name + ` [OPTIONS] [--] PROGRAM [ARG...] | --version

  -s         be a subreaper (also with TINI_SUBREAPER)
  -p SIGNAL  get SIGNAL when the parent dies, such as SIGKILL
  -g         send signals to the process group of PROGRAM (TINI_KILL_PROCESS_GROUP)
  -e CODE    exit with 0 if PROGRAM exits with CODE; may be repeated
  -w         tell of each orphan that is reaped
  -v         tell more; may be repeated (TINI_VERBOSITY, 1 without it)
  -l         show the license
  -h         show this help

This is podhook: PODHOOK_CONFIG and /etc/podhook say which hooks it runs.
`
	d.options = []option{
		{letter: 's', set: sets(&f.subreaper)},
		{letter: 'g', set: sets(&f.group)},
		{letter: 'w', set: sets(&tell)},
		{letter: 'v', set: counts(&verbosity)},
		{letter: 'p', takesValue: true, set: f.setParentDeath},
		{letter: 'e', takesValue: true, set: func(code string) error {
			if err := f.addRemap(code); err != nil {
				return fmt.Errorf("%q: %w", code, err)
			}
			return nil
		}},
		{letter: 'l', set: d.answers("podhook: Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0\n")},
		{letter: 'h', set: d.answers(d.versionLine() + d.usage)},
	}
	// The C library of Alpine (musl) has a getopt(3) that never permutes.
	_, correct := os.LookupEnv("POSIXLY_CORRECT")
	_, glibc := os.Stat("/etc/alpine-release")
	d.permute = !correct && glibc != nil
	d.complete = func() {
		_, subreaper := os.LookupEnv("TINI_SUBREAPER")
		_, group := os.LookupEnv("TINI_KILL_PROCESS_GROUP")
		f.subreaper, f.group = f.subreaper || subreaper, f.group || group
		if text, set := os.LookupEnv("TINI_VERBOSITY"); set {
			verbosity, _ = strconv.Atoi(text)
		}
		f.quiet = verbosity < 1
		f.tellReaped = tell && !f.quiet || verbosity > 2
		f.tellLife, f.tellSignals = verbosity > 1, verbosity > 2
	}
	return d
}

// dumbInit is https://github.com/Yelp/dumb-init, version 1.2.5.
func dumbInit(name string, stderr io.Writer) *dropIn {
	f, single, verbose := plainRunFlags(), false, false
	d := &dropIn{name: name, like: "dumb-init v1.2.5", out: stderr, flags: f}
	d.usage = "Usage: " + name + " [option] program [args]\nTry " + name + " --help for full usage.\n"
	help := "Usage: " + name + ` [option] program [args]

  -c, --single-child  signals go to the program only, and not to all of its session
  -r, --rewrite S:R   send signal R for signal S (numbers); 0 drops it; may be repeated
  -v, --verbose       tell what happens on stderr
  -h, --help          show this help
  -V, --version       show the version

This is podhook: PODHOOK_CONFIG and /etc/podhook say which hooks it runs.
`
	d.options = []option{
		{letter: 'c', long: "single-child", set: sets(&single)},
		{letter: 'r', long: "rewrite", takesValue: true, set: f.addNumbers},
		{letter: 'v', long: "verbose", set: sets(&verbose)},
		{letter: 'h', long: "help", set: d.answers(d.versionLine() + help)},
		{letter: 'V', long: "version", set: d.answers(d.versionLine())},
	}
	d.complete = func() {
		f.session = !single && os.Getenv("DUMB_INIT_SETSID") != "0"
		verbose = verbose || os.Getenv("DUMB_INIT_DEBUG") == "1"
		f.tellReaped, f.tellLife, f.tellSignals = verbose, verbose, verbose
		f.quiet, f.suspend, f.notExecuted = true, true, 2
		if f.session {
			f.shareSession()
		}
	}
	return d
}

// shareSession lets signals reach the whole session of CMD. Nobody could continue it
// after a TSTP, TTIN or TTOU, which the kernel does not let stop it, so it gets STOP.
func (f *runFlags) shareSession() {
	f.group = true
	for _, sig := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
		if _, defined := f.rewrite[sig]; !defined {
			f.rewrite[sig] = syscall.SIGSTOP
		}
	}
	f.farewell = syscall.SIGTERM
	if to, defined := f.rewrite[syscall.SIGTERM]; defined {
		f.farewell = to
	}
}

// addNumbers reads S:R, two numbers of signals.
func (f *runFlags) addNumbers(text string) error {
	from, to, _ := strings.Cut(text, ":")
	s, err1 := strconv.Atoi(from)
	r, err2 := strconv.Atoi(to)
	const last = 31 // real-time signals are not rewritten
	if err1 != nil || err2 != nil || s < 1 || s > last || r < 0 || r > last {
		return fmt.Errorf("%q: S:R is needed, with S from 1 to %d, and R too or 0", text, last)
	}
	f.rewrite[syscall.Signal(s)] = syscall.Signal(r)
	return nil
}
