// Package rehearse plays kubelet for a command. It starts the command, calls its
// lifecycle hooks with the requests, times and rules of kubelet, stops it, and prints
// what has happened and what Kubernetes would have shown. See README.md.
package rehearse

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/local"
)

// The exit codes: the rehearsal ran, an expectation was not met, it could not run.
const (
	exitRan      = 0
	exitDiffers  = 1
	exitBadUsage = 2
)

// Run plays one rehearsal, prints it and returns the exit code. It ends with ctx.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	code, err := run(ctx, args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitRan
	}
	if err != nil {
		fmt.Fprintln(stderr, "rehearse:", err)
	}
	return code
}

func run(ctx context.Context, args []string, stdout io.Writer) (int, error) {
	opts, err := parseOptions(args, stdout)
	if err != nil {
		return exitBadUsage, err
	}
	out := &printer{w: stdout, live: opts.output == "table"}
	if opts.logs != "" {
		file, err := os.Create(opts.logs)
		if err != nil {
			return exitBadUsage, fmt.Errorf("--logs: %w", err)
		}
		defer file.Close()
		out.logs = file
	}
	if opts.scenarioName == allScenarios {
		return runAll(ctx, args, out)
	}
	r, err := rehearse(ctx, opts, out)
	if err == nil && r.Skipped != "" {
		err = fmt.Errorf("--scenario %s: %s", opts.scenarioName, r.Skipped)
	}
	if err != nil {
		return exitBadUsage, err
	}
	if !out.live {
		err = out.json(r)
	}
	return r.exitCode(), err
}

// rehearsal is the outcome of one.
type rehearsal struct {
	Scenario string `json:"scenario,omitempty"`
	// Skipped says why the scenario was not played.
	Skipped string `json:"skipped,omitempty"`
	kubelet.Report
	Isolation   string   `json:"isolation"`
	Seed        uint64   `json:"seed"`
	Notes       []string `json:"notes"`
	Differences []string `json:"differences"`
}

func (r rehearsal) exitCode() int {
	if len(r.Differences) > 0 {
		return exitDiffers
	}
	return exitRan
}

// rehearse plays the pod of the options, and prints the timeline and the summary.
func rehearse(ctx context.Context, opts *options, out *printer) (rehearsal, error) {
	pod, notes, err := opts.pod()
	if err != nil {
		return rehearsal{}, err
	}
	r := rehearsal{Scenario: opts.scenarioName, Seed: opts.scenario.Seed, Notes: notes}
	if opts.scenarioName != "" {
		s, err := findScenario(opts.scenarioName)
		if err != nil {
			return r, err
		}
		if r.Skipped = s.suit(pod, &opts.scenario); r.Skipped != "" {
			return r, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, opts.limit)
	defer cancel()
	runtime, err := newRuntime(opts, pod, out.log)
	if err != nil {
		return r, err
	}
	r.Isolation = runtime.Isolation()
	out.header(pod, r)
	timeline := kubelet.NewTimeline(out.entry)
	out.setTimeline(timeline)
	r.Report = kubelet.Rehearse(ctx, pod, opts.scenario, runtime, timeline)
	r.Differences = opts.expect.differences(opts.scenarioName, r.Report)
	if out.live {
		out.summary(r.Report, r.Differences)
	}
	return r, runtime.Close()
}

// podRuntime is the runtime of --runtime.
type podRuntime interface {
	kubelet.Runtime
	Isolation() string
	Close() error
}

func newRuntime(opts *options, pod kubelet.Pod, output func(container, line string)) (podRuntime, error) {
	if opts.runtime == "docker" {
		o := opts.docker
		o.ShareProcessNamespace, o.Output = pod.ShareProcessNamespace, output
		return docker.New(o)
	}
	return local.New(local.Options{
		Isolation: opts.isolation, ShareProcessNamespace: pod.ShareProcessNamespace,
		PodIP: opts.podIP, Tmpfs: opts.tmpfs, Output: output,
	})
}
