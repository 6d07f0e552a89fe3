// Package logs prints the output of a hook's last run in a pod.
package logs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/podhook/podhook/cmd/kubectl-podhook/kubectl"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Run is `podhook logs` in a container, and returns its exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var client kubectl.Client
	flags := flag.NewFlagSet("logs", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: kubectl podhook logs POD HOOK [flags]\n\nPrints the output of the last run of a hook, such as shutdown.\n\n")
		flags.PrintDefaults()
	}
	client.Flags(flags)
	container := flags.String("c", "", "the `CONTAINER` that podhook is in (default: found by the Pod's specification)")
	follow := flags.Bool("f", false, "go on until the run has ended")
	tail := flags.Int("tail", -1, "begin with the last `N` lines (default all)")
	words, err := kubectl.Parse(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err == nil && len(words) != 2:
		err = errors.New("POD and HOOK are needed, as in: kubectl podhook logs web-0 shutdown")
	}
	if err != nil {
		fmt.Fprintf(stderr, "kubectl podhook logs: %v\n", err)
		return exitUsage
	}
	command := []string{"logs"}
	if *follow {
		command = append(command, "-f")
	}
	if *tail >= 0 {
		command = append(command, fmt.Sprintf("--tail=%d", *tail))
	}
	pod, err := client.Pod(ctx, words[0])
	var place kubectl.Place
	if err == nil {
		place, err = kubectl.Find(pod, *container)
	}
	if err == nil {
		err = client.Exec(ctx, place, stdout, stderr, append(command, "--", words[1])...)
	}
	var code kubectl.ExitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code) // podhook, or kubectl, has said why
	}
	fmt.Fprintf(stderr, "kubectl podhook logs: %v\n", err)
	return exitFailed
}
