// Command rehearse plays kubelet against a command: it starts it, calls its
// lifecycle hooks with kubelet's own requests, times and rules, stops it, and
// prints what happened and what Kubernetes would have shown. See README.md.
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

// The exit codes: the rehearsal ran, it ran but something that was expected is
// not so, it could not be run.
const (
	exitRan      = 0
	exitDiffers  = 1
	exitBadUsage = 2
)

func main() {
	if local.IsStage(os.Args) {
		os.Exit(local.RunStage(os.Args))
	}
	// Each of them ends the rehearsal in order: no container stays behind. SIGPIPE
	// is a reader of the timeline that has seen enough.
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
