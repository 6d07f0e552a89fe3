// Command rehearse plays kubelet for a command. It starts the command, calls its
// lifecycle hooks with the requests, times and rules of kubelet, stops it, and prints
// what has happened and what Kubernetes would have shown. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/podhook/podhook/cmd/rehearse/local"
)

// The exit codes: the rehearsal ran, an expectation was not met, it could not run.
const (
	exitRan      = 0
	exitDiffers  = 1
	exitBadUsage = 2
)

func main() {
	if local.IsStage(os.Args) {
		os.Exit(local.RunStage(os.Args))
	}
	// Each of them ends the rehearsal without leaving a container behind. SIGPIPE means
	// that nobody reads the timeline any more.
	ctx, stop := signal.NotifyContext(context.Background(),
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	code, err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(exitRan)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rehearse:", err)
	}
	os.Exit(code)
}
