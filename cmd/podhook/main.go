// Command podhook makes the lifecycle hooks of a container reliable, visible
// and measurable. The README says what it does and how it is used.
package main

import (
	"context"
	"io"
	"os"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/process/inherited"
)

func main() {
	inherited.Disobey()
	os.Exit(run(context.Background(), os.Args[1:], inherited.Environ(), os.Stdout, os.Stderr))
}

// call is one invocation: all that a command may read from and write to.
type call struct {
	args   []string
	env    []string
	stdout io.Writer
	stderr io.Writer
	// log is the container's, where the command has opened it.
	log *show.NonBlocking
}

// run finds the command and returns the exit code; only main exits.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	c := &call{env: env, stdout: stdout, stderr: stderr}
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	c.args = args[1:]
	if len(args) > 1 && isHelp(args[1]) {
		return help(ctx, c)
	}
	for _, cmd := range commands() {
		if cmd.name == args[0] {
			code := cmd.run(ctx, c)
			if c.log != nil {
				c.log.Flush()
			}
			return code
		}
	}
	if isHelp(args[0]) {
		return help(ctx, c)
	}
	return c.fail(usagef("there is no command %q%s; podhook help lists them", args[0], didYouMean(args[0], commandNames())))
}

func isHelp(word string) bool { return word == "-h" || word == "-help" || word == "--help" }
