package inject

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
)

// Exit codes of the command.
const (
	exitOK    = 0
	exitWrong = 1 // the manifest cannot get podhook
	exitUsage = 2
)

// options are the flags.
type options struct {
	files     list
	way       string
	container string
	image     string
	main      string
	config    string // the path
	hooks     string // its text
	configMap string
	// networkPolicy asks for a NetworkPolicy beside a sidecar.
	networkPolicy bool
}

// list is a flag that can be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// Run prints manifests with podhook in them, and returns the exit code.
func Run(_ context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "kubectl podhook inject: %v\n", err)
		return exitUsage
	}
	text, notes, err := o.inject(os.Stdin)
	for _, note := range notes {
		fmt.Fprintf(stderr, "note: %s\n", note)
	}
	if err == nil {
		_, err = io.WriteString(stdout, text)
	}
	if err != nil {
		fmt.Fprintf(stderr, "kubectl podhook inject: %v\n", err)
		return exitWrong
	}
	return exitOK
}

func parseOptions(args []string, usage io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("inject", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.Usage = func() {
		fmt.Fprint(usage, "usage: kubectl podhook inject -f FILE [flags]\n\nPrints the manifest with podhook in it.\n\n")
		flags.PrintDefaults()
	}
	flags.Var(&o.files, "f", "`FILE`, directory or - (standard input) with manifests (repeatable)")
	flags.StringVar(&o.way, "way", "", "how the container gets podhook: init (default), volume, sidecar or run")
	flags.StringVar(&o.container, "container", "", "the `NAME` of the container, where a pod has several")
	flags.StringVar(&o.image, "image", "", "podhook's `IMAGE` in your registry; --way run needs none")
	flags.StringVar(&o.main, "main", "", "the main process, as in PODHOOK_MAIN: name:`PROGRAM`, exe:PATH, pidfile:PATH or pid:N")
	flags.StringVar(&o.config, "config", "", "a `FILE` with hooks, instead of those made from the handlers")
	flags.StringVar(&o.configMap, "config-map", "", "the `NAME` of a ConfigMap of yours with podhook.yaml, instead of one that is printed")
	flags.BoolVar(&o.networkPolicy, "network-policy", false, "with a sidecar: print a NetworkPolicy that closes the port of the hooks, and opens all others")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	ways := []string{"", wayInit, wayVolume, waySidecar, wayRun}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("%q is one word too many: write -f %s", flags.Arg(0), flags.Arg(0))
	case len(o.files) == 0:
		return nil, errors.New("-f FILE is needed; - is the standard input")
	case !slices.Contains(ways, o.way):
		return nil, fmt.Errorf("--way %q: write init, volume, sidecar or run", o.way)
	case o.config != "" && o.configMap != "":
		return nil, errors.New("--config and --config-map exclude each other")
	}
	if o.config == "" {
		return o, nil
	}
	text, err := os.ReadFile(o.config)
	o.hooks = string(text)
	return o, err
}

// inject returns the text of all files with podhook, and what a person should know.
func (o *options) inject(stdin io.Reader) (string, []string, error) {
	files, err := manifest.Files(o.files, stdin)
	if err != nil {
		return "", nil, err
	}
	var out strings.Builder
	var notes []string
	var errs []error
	workloads := 0
	for i, file := range files {
		made, err := injectFile(o, file)
		errs = append(errs, err)
		if i > 0 {
			out.WriteString("---\n")
		}
		out.WriteString(made.text)
		if i < len(files)-1 && !strings.HasSuffix(made.text, "\n") {
			out.WriteString("\n")
		}
		notes = append(notes, made.notes...)
		workloads += made.workloads
	}
	if err := errors.Join(errs...); err != nil {
		return "", notes, err
	}
	if workloads == 0 {
		what := "no Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob"
		if o.container != "" {
			what += " with a container " + o.container
		}
		return "", notes, fmt.Errorf("%s: %s", o.files.String(), what)
	}
	return out.String(), notes, nil
}
