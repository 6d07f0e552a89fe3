// Command kubectl-podhook is a plugin of kubectl: kubectl podhook. See README.md.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/podhook/podhook/cmd/kubectl-podhook/inject"
	"github.com/podhook/podhook/cmd/kubectl-podhook/lint"
	"github.com/podhook/podhook/cmd/kubectl-podhook/logs"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/local"
	"github.com/podhook/podhook/cmd/kubectl-podhook/status"
)

func main() {
	if local.IsStage(os.Args) {
		os.Exit(local.RunStage(os.Args))
	}
	// Each of them ends a rehearsal without leaving a container behind. SIGPIPE means
	// that nobody reads the timeline any more.
	ctx, stop := signal.NotifyContext(context.Background(),
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exitUsage is the exit code of a wrong command line.
const exitUsage = 2

// command is one of the plugin's.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, stdout, stderr io.Writer) int
}

func commands() []command {
	return []command{
		{"inject", "print manifests with podhook in them", inject.Run},
		{"lint", "find mistakes in manifests with podhook", lint.Run},
		{"logs", "print the output of a hook's last run in a pod", logs.Run},
		{"rehearse", "play kubelet for a manifest or a command, on this machine", rehearse.Run},
		{"status", "show the hooks of pods and their last runs", status.Run},
	}
}

// run is the plugin, and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		for _, c := range commands() {
			if c.name == args[0] {
				return c.run(ctx, args[1:], stdout, stderr)
			}
		}
	}
	asked := len(args) == 1 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help")
	switch {
	case asked:
		stderr = stdout
	case len(args) > 0:
		fmt.Fprintf(stderr, "kubectl podhook: there is no command %q\n\n", args[0])
	}
	fmt.Fprint(stderr, "usage: kubectl podhook COMMAND [flags]; COMMAND -h lists its flags\n\n")
	for _, c := range commands() {
		fmt.Fprintf(stderr, "  %-10s %s\n", c.name, c.summary)
	}
	if asked {
		return 0
	}
	return exitUsage
}
