// Command podhook makes the lifecycle hooks of a container reliable, visible
// and measurable. The README says what it does and how it is used.
package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/podhook/podhook/hooks/process/inherited"
)

func main() {
	inherited.Disobey()
	os.Exit(run(context.Background(), os.Args, inherited.Environ(), os.Stdout, os.Stderr))
}

// run finds the command, or the init whose name podhook was called by, and returns the
// exit code; only main exits.
func run(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	inv := &invocation{environ: env, env: env, stdout: stdout, stderr: stderr, guard: ownGuard()}
	code := inv.dispatch(ctx, args)
	if inv.log != nil {
		inv.log.Flush()
	}
	inv.guard.tell(verdict{code: code})
	return code
}

func (inv *invocation) dispatch(ctx context.Context, args []string) int {
	if len(args) > 0 {
		if other := inv.findDropIn(filepath.Base(args[0])); other != nil {
			return other.run(ctx, inv, args[1:])
		}
		args = args[1:]
	}
	if len(args) == 0 {
		overview(inv.stderr)
		return exitUsage
	}
	inv.line = args
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
	return cmd.run(ctx, inv)
}
