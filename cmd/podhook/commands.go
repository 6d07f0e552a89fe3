package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/podhook/podhook/hooks/config"
)

// command is one row of the table of commands (command_table.go). The dispatcher, the
// help, the completion and the manual pages are made from it.
type command struct {
	name    string
	purpose string // the heading in podhook help; "" hides an internal command
	args    string // the words after the name
	wants   string // what is wrong unless there is one word; "" for a command without words
	many    bool   // any number of words is right, the command counts them
	// cmdline says that the flags end at the first word, which begins a command line.
	cmdline  bool
	brief    bool // kubelet may keep the output: it is bounded
	summary  string
	about    string // after the summary, wrapped
	examples [][2]string
	exits    []string
	// define declares the flags and returns what runs with them.
	define func(*invocation, *flag.FlagSet) action
}

// action runs a command with the words of its command line and returns the exit code.
type action func(ctx context.Context, words []string) int

// run reads the flags and runs the command.
func (c *command) run(ctx context.Context, inv *invocation) int {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	act := c.define(inv, fs)
	words, err := parse(fs, inv.args, c.cmdline)
	if errors.Is(err, flag.ErrHelp) {
		return inv.done(c.help(inv.stdout))
	}
	if c.brief {
		inv.briefly()
	}
	inv.own = c.purpose == forContainer
	if err == nil {
		err = c.checkWords(words)
	}
	if err != nil {
		return inv.fail(err)
	}
	return act(ctx, words)
}

func (c *command) checkWords(words []string) error {
	switch {
	case c.many:
		return nil
	case c.wants == "" && len(words) > 0:
		return usagef("%s: %q is one word too many", c.name, words[0])
	case c.wants != "" && len(words) != 1:
		return usagef("%s: %s", c.name, c.wants)
	}
	return nil
}

// flags returns the flags of the command.
func (c *command) flags() *flag.FlagSet {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.define(&invocation{}, fs)
	return fs
}

// find returns the command of a name, or an error that says what was probably meant.
func (inv *invocation) find(name string) (*command, error) {
	for _, c := range commands() {
		if c.name == name {
			return &c, nil
		}
	}
	if hook := config.MeantHook(name); hook != "" {
		return nil, usagef("there is no command %q, write podhook %s", name, byCommand(hook))
	}
	if slices.Contains(inv.hookNames(), name) {
		return nil, usagef("there is no command %q, write podhook %s", name, byCommand(name))
	}
	if near := config.Nearest(name, commandNames()); near != "" {
		return nil, usagef("there is no command %q, did you mean %q?", name, near)
	}
	return nil, usagef("there is no command %q; podhook help lists them", name)
}

// byCommand returns the command that runs a hook.
func byCommand(hook string) string {
	if slices.Contains(commandNames(), hook) {
		return hook
	}
	return "hook " + hook
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		if c.purpose != "" {
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
// "wait prestart --timeout 0s", unless the first word begins a command line.
func parse(fs *flag.FlagSet, args []string, cmdline bool) ([]string, error) {
	fs.SetOutput(io.Discard)
	var words []string
	for {
		err := fs.Parse(args)
		rest := fs.Args()
		if word, is := unknownFlag(err); is && isNumber(word) && !cmdline {
			words, args = append(words, word), rest // -1s: the command says what is wrong with it
			continue
		}
		if err != nil {
			return nil, flagError(fs, err)
		}
		if len(rest) == 0 || cmdline {
			return append(words, rest...), nil
		}
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			return append(words, rest...), nil
		}
		words, args = append(words, rest[0]), rest[1:]
	}
}

func isNumber(word string) bool {
	return len(word) > 1 && word[0] == '-' && (word[1] == '.' || '0' <= word[1] && word[1] <= '9')
}

// unknownFlag returns the flag that package flag does not know, with one dash. It has
// no type for that error.
func unknownFlag(err error) (string, bool) {
	if err == nil {
		return "", false
	}
	return strings.CutPrefix(err.Error(), "flag provided but not defined: ")
}

// flagError says what to write instead.
func flagError(fs *flag.FlagSet, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	word, is := unknownFlag(err)
	if !is {
		return usagef("%s: %s", fs.Name(), plainFlagError(err))
	}
	var known []string
	fs.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	word = strings.TrimPrefix(word, "-")
	if near := config.Nearest(word, known); near != "" {
		return usagef("%s: there is no flag %s, did you mean %s?", fs.Name(), dashed(word), dashed(near))
	}
	return usagef("%s: there is no flag %s; podhook help %s lists them", fs.Name(), dashed(word), fs.Name())
}

// plainFlagError words an error of package flag, which has no types for them, as all
// other errors are: the flag, its value and what to write instead.
func plainFlagError(err error) string {
	text := err.Error()
	if name, is := strings.CutPrefix(text, "flag needs an argument: -"); is {
		return dashed(name) + " needs a value"
	}
	for _, form := range [][2]string{{"invalid value ", " for flag -"}, {"invalid boolean value ", " for -"}} {
		rest, is := strings.CutPrefix(text, form[0])
		if !is {
			continue
		}
		value, rest, _ := strings.Cut(rest, form[1])
		name, why, _ := strings.Cut(rest, ": ")
		if strings.Contains(form[0], "boolean") {
			why = "allowed are true and false"
		}
		if strings.HasPrefix(why, value) { // some errors show the value
			return dashed(name) + ": " + why
		}
		return dashed(name) + ": " + value + ": " + why
	}
	return text
}

// dashed returns a flag as one writes it.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
