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
		overview(stderr)
		return exitUsage
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-V", "-version", "--version":
		name = "version"
	}
	inv.args = args[1:]
	cmd, err := inv.find(name)
	if err != nil {
		return inv.fail(err)
	}
	code := cmd.run(ctx, inv)
	if inv.log != nil {
		inv.log.Flush()
	}
	return code
}
