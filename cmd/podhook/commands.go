package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/podhook/podhook/hooks/config"
)

// command is one row of the table of commands. A command without a summary is
// internal and not listed.
type command struct {
	name    string
	args    string
	summary string
	run     func(context.Context, *invocation) int
}

func commands() []command {
	return []command{
		{"run", "[flags] -- CMD ARG...", "start CMD as the init of a container", runMain},
		{"serve", "", "run the HTTP agent", serve},
		{"prestart", "[--force]", "run the hook prestart, once in this instance", builtinHook(config.Prestart)},
		{"shutdown", "[--force]", "run the hook shutdown, once in this instance", builtinHook(config.Shutdown)},
		{"hook", "NAME [--force]", "run any hook, once in this instance", namedHook},
		{"status", "[-o table|json]", "show all hooks, their last runs and the main process", status},
		{"logs", "HOOK [-f]", "print the output of a hook's last run", logs},
		{"wait", "HOOK | --file PATH | --gone PATH | --tcp ADDR | --http URL | --metric URL --name N --at-most X | --exit main [--timeout D]", "wait for a hook, a file, a port, an answer, a metric or the end of the main process", waitFor},
		{"http", "[-X METHOD] [-H HEADER] [-d BODY] [--status S] URL", "send a request, for images without curl", httpCall},
		{"signal", "SIGNAL [--to pidfile:PATH|name:NAME]", "send a signal to the main process, or to another one", signalMain},
		{"sleep", "DURATION", "wait, for images without sleep", sleep},
		{"plan", "HOOK [--trigger T] [--force] [-o table|json]", "show what a call of a hook would run now, and why not", plan},
		{"check", "[--grace D] [-o table|json]", "check the settings and hooks without running anything", check},
		{"install", "DIR [--check]", "copy this binary into a directory, such as an emptyDir", install},
		{"version", "", "print the version", printVersion},
		{"help", "", "print this help and the settings", help},
		{workerCommand, "", "", hookWorker},
	}
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		if c.summary != "" {
			names = append(names, c.name)
		}
	}
	return names
}

// usageError is a mistake in a command line or in the configuration.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...)}
}

// parse reads the flags and returns the other words. Flags can follow words, as in
// "wait prestart --timeout 0s".
func parse(fs *flag.FlagSet, args []string) ([]string, error) {
	fs.SetOutput(io.Discard)
	var words []string
	for {
		if err := fs.Parse(args); err != nil {
			return nil, usagef("%s: %v", fs.Name(), err)
		}
		rest := fs.Args()
		if len(rest) == 0 {
			return words, nil
		}
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			return append(words, rest...), nil
		}
		words, args = append(words, rest[0]), rest[1:]
	}
}

// noWords is parse for commands that take only flags.
func noWords(fs *flag.FlagSet, args []string) error {
	words, err := parse(fs, args)
	if err == nil && len(words) > 0 {
		err = usagef("%s: %q is one word too many", fs.Name(), words[0])
	}
	return err
}

func didYouMean(word string, known []string) string {
	if near := config.Nearest(word, known); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	return ""
}
