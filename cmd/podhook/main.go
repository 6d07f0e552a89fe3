// Command podhook makes the lifecycle hooks of a container reliable, visible
// and measurable. The README says what it does and how it is used.
package main

import (
	"context"
	"io"
	"os"

	"github.com/podhook/podhook/hooks/process/inherited"
)

func main() {
	inherited.Disobey()
	os.Exit(run(context.Background(), os.Args[1:], inherited.Environ(), os.Stdout, os.Stderr))
}

// run finds the command and returns the exit code; only main exits.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	inv := &invocation{env: env, stdout: stdout, stderr: stderr}
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	inv.args = args[1:]
	if len(args) > 1 && isHelp(args[1]) {
		return help(ctx, inv)
	}
	for _, cmd := range commands() {
		if cmd.name == args[0] {
			code := cmd.run(ctx, inv)
			if inv.log != nil {
				inv.log.Flush()
			}
			return code
		}
	}
	if isHelp(args[0]) {
		return help(ctx, inv)
	}
	return inv.fail(usagef("there is no command %q%s; podhook help lists them", args[0], didYouMean(args[0], commandNames())))
}

func isHelp(word string) bool { return word == "-h" || word == "-help" || word == "--help" }
