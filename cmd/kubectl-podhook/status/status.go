// Package status shows the hooks of pods.
package status

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/cmd/kubectl-podhook/kubectl"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// options are the flags and the pods.
type options struct {
	kubectl.Client
	pods      []string
	selector  string
	container string
	output    string
}

// Run shows the status of one pod as podhook shows it, or of several pods as a table.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "kubectl podhook status: %v\n", err)
		return exitUsage
	case len(o.pods) == 1:
		err = o.one(ctx, stdout, stderr)
	default:
		err = o.table(ctx, stdout)
	}
	var code kubectl.ExitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code) // podhook, or kubectl, has said why
	}
	fmt.Fprintf(stderr, "kubectl podhook status: %v\n", err)
	return exitFailed
}

func parseOptions(args []string, usage io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("status", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.Usage = func() {
		fmt.Fprint(usage, "usage: kubectl podhook status POD... [flags]\n       kubectl podhook status -l app=web [flags]\n\n"+
			"Shows the hooks of a pod and their last runs, or a table over several pods.\n\n")
		flags.PrintDefaults()
	}
	o.Flags(flags)
	flags.StringVar(&o.container, "c", "", "the `CONTAINER` that podhook is in (default: found by the Pod's specification)")
	flags.StringVar(&o.selector, "l", "", "the labels of the pods, as in app=web")
	flags.StringVar(&o.output, "o", "table", "of one pod: table or json")
	words, err := kubectl.Parse(flags, args)
	o.pods = words
	switch {
	case err != nil:
		return nil, err
	case (len(words) == 0) == (o.selector == ""):
		return nil, errors.New("POD or -l SELECTOR is needed, as in: kubectl podhook status -l app=web")
	case o.output != "table" && o.output != "json":
		return nil, fmt.Errorf("-o %q: write table or json", o.output)
	case o.output == "json" && len(words) != 1:
		return nil, errors.New("-o json is for one POD")
	}
	return o, nil
}

// one lets podhook print its own status.
func (o *options) one(ctx context.Context, stdout, stderr io.Writer) error {
	pod, err := o.Pod(ctx, o.pods[0])
	if err != nil {
		return err
	}
	place, err := kubectl.Find(pod, o.container)
	if err != nil {
		return err
	}
	return o.Exec(ctx, place, stdout, stderr, "status", "-o", o.output)
}

// find returns the pods, and of each that is gone the error.
func (o *options) find(ctx context.Context) ([]corev1.Pod, error) {
	if o.selector != "" {
		pods, err := o.Client.Pods(ctx, o.selector)
		if err == nil && len(pods) == 0 {
			err = fmt.Errorf("no pod has the labels %s", o.selector)
		}
		return pods, err
	}
	var pods []corev1.Pod
	var errs []error
	for _, name := range o.pods {
		pod, err := o.Pod(ctx, name)
		if err == nil {
			pods = append(pods, pod)
		}
		errs = append(errs, err)
	}
	return pods, errors.Join(errs...)
}
