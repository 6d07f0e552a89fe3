// Package lint finds mistakes in manifests with podhook before they reach a cluster.
// See README.md.
package lint

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
)

// The exit codes: nothing found, findings, bad usage or an unreadable manifest.
const (
	exitClean    = 0
	exitFindings = 1
	exitUsage    = 2
)

// newest is the minor version of Kubernetes that is assumed.
const newest = 37

// options are the flags.
type options struct {
	files      files
	output     string
	strict     bool
	kubernetes string
	gates      list
	disabled   list
	hooks      string
}

// files is a flag that can be repeated.
type files []string

func (f *files) String() string     { return strings.Join(*f, " ") }
func (f *files) Set(s string) error { *f = append(*f, s); return nil }

// list is such a flag with commas between its values, too.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, strings.Split(s, ",")...); return nil }

// Run checks manifests, prints the findings and returns the exit code.
func Run(_ context.Context, args []string, stdout, stderr io.Writer) int {
	code, err := run(args, os.Stdin, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitClean
	}
	if err != nil {
		fmt.Fprintln(stderr, "lint:", err)
	}
	return code
}

func run(args []string, stdin io.Reader, stdout io.Writer) (int, error) {
	o, c, err := parseOptions(args, stdout)
	if err != nil {
		return exitUsage, err
	}
	documents, err := manifest.Read(o.files, stdin)
	if err != nil {
		return exitUsage, err
	}
	var image *imageHooks
	if o.hooks != "" {
		text, err := os.ReadFile(o.hooks)
		if err != nil {
			return exitUsage, fmt.Errorf("--hooks: %w", err)
		}
		image = &imageHooks{o.hooks, string(text)}
	}
	r, err := look(podsOf(documents, c, image), o.disabled)
	if err != nil {
		return exitUsage, err
	}
	if err := r.write(stdout, o.output); err != nil {
		return exitUsage, err
	}
	if r.Errors > 0 || o.strict && r.Warnings > 0 {
		return exitFindings, nil
	}
	return exitClean, nil
}

func parseOptions(args []string, usage io.Writer) (*options, cluster, error) {
	o := &options{}
	flags := o.flags()
	flags.SetOutput(usage)
	flags.Usage = func() {
		fmt.Fprint(usage, "usage: kubectl podhook lint -f FILE [flags]\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return nil, cluster{}, err
	}
	c, err := o.check(flags.Args())
	return o, c, err
}

func (o *options) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("lint", flag.ContinueOnError)
	flags.Var(&o.files, "f", "`FILE` or directory with manifests, or - for the standard input (repeatable)")
	flags.StringVar(&o.output, "o", "text", "text, json, github or sarif")
	flags.BoolVar(&o.strict, "strict", false, "warnings too make the exit code 1")
	flags.StringVar(&o.kubernetes, "kubernetes", fmt.Sprintf("1.%d", newest), "the `VERSION` of the oldest cluster that the manifests are for")
	flags.Var(&o.gates, "gate", "the cluster has this feature `GATE` on, such as ImageVolume (repeatable)")
	flags.StringVar(&o.hooks, "hooks", "", "the `FILE` with the hooks of the image, for containers whose hooks are not in the input")
	flags.Var(&o.disabled, "disable", "leave a `RULE` out (repeatable)")
	return flags
}

// check checks what the package flag cannot.
func (o *options) check(words []string) (c cluster, err error) {
	c.gates = o.gates
	c.minor, err = minorVersion(o.kubernetes)
	switch {
	case err != nil:
	case len(words) > 0:
		err = fmt.Errorf("%q is one word too many: files follow -f", words[0])
	case len(o.files) == 0:
		err = errors.New("-f FILE is needed, or -f - for the standard input")
	case !slices.Contains(forms(), o.output):
		err = fmt.Errorf("-o %s: %s are allowed", o.output, strings.Join(forms(), ", "))
	}
	for _, id := range o.disabled {
		if err == nil && !slices.ContainsFunc(allRules(), func(r rule) bool { return r.id == id }) {
			err = fmt.Errorf("--disable %s: there is no such rule", id)
		}
	}
	return c, err
}

// minorVersion reads a version such as 1.34, v1.34.4 or 1.34+.
func minorVersion(text string) (int, error) {
	major, rest, _ := strings.Cut(strings.TrimPrefix(text, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(strings.TrimSuffix(minor, "+"))
	if err != nil || major != "1" || n < 0 {
		return 0, fmt.Errorf("--kubernetes %s: a version such as 1.34 is needed", text)
	}
	return n, nil
}

// look applies the rules to all pods.
func look(pods []*pod, disabled []string) (*result, error) {
	if len(pods) == 0 {
		return nil, errors.New("no Pod and no workload with one is in the input")
	}
	rules := slices.DeleteFunc(allRules(), func(r rule) bool { return slices.Contains(disabled, r.id) })
	r := &result{Pods: len(pods), Findings: []Finding{}}
	for _, p := range pods {
		for _, f := range p.apply(rules) {
			// Two pods can have the same hooks.
			same := func(other Finding) bool { other.Object = f.Object; return other == f }
			if !slices.ContainsFunc(r.Findings, same) {
				r.Findings = append(r.Findings, f)
			}
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
	})
	for _, f := range r.Findings {
		if f.Severity == Error {
			r.Errors++
		} else {
			r.Warnings++
		}
	}
	r.OK = r.Errors == 0
	return r, nil
}
