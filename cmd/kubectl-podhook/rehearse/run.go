// Package rehearse plays kubelet for a command. It starts the command, calls its
// lifecycle hooks with the requests, times and rules of kubelet, stops it, and prints
// what has happened and what Kubernetes would have shown. See README.md.
package rehearse

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"

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
	pod, notes, err := opts.pod()
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
	ctx, cancel := context.WithTimeout(ctx, opts.limit)
	defer cancel()
	report, about, err := rehearse(ctx, opts, pod, notes, out)
	if err != nil {
		return exitBadUsage, err
	}
	differences := opts.expect.differences(report)
	if opts.output == "json" {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(struct {
			kubelet.Report
			Isolation   string   `json:"isolation"`
			Seed        uint64   `json:"seed"`
			Notes       []string `json:"notes"`
			Differences []string `json:"differences"`
		}{report, about, opts.scenario.Seed, notes, differences})
	} else {
		out.summary(report, differences)
	}
	if err == nil && len(differences) > 0 {
		return exitDiffers, nil
	}
	return exitRan, err
}

func rehearse(ctx context.Context, opts *options, pod kubelet.Pod, notes []string, out *printer) (kubelet.Report, string, error) {
	runtime, err := newRuntime(opts, pod, out.log)
	if err != nil {
		return kubelet.Report{}, "", err
	}
	about := runtime.Isolation()
	out.header(pod, about, opts.scenario.Seed, notes)
	timeline := kubelet.NewTimeline(out.entry)
	out.setTimeline(timeline)
	report := kubelet.Rehearse(ctx, pod, opts.scenario, runtime, timeline)
	return report, about, runtime.Close()
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

// printer writes the table. It is safe for concurrent use.
type printer struct {
	mu       sync.Mutex
	w        io.Writer
	live     bool
	logs     io.Writer // where containers' lines go instead of the timeline
	timeline *kubelet.Timeline
}

func (p *printer) setTimeline(t *kubelet.Timeline) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timeline = t
}

// log writes one line that a container has printed.
func (p *printer) log(container, line string) {
	p.mu.Lock()
	timeline, logs := p.timeline, p.logs
	if logs != nil {
		fmt.Fprintf(logs, "%s | %s\n", container, line)
	}
	p.mu.Unlock()
	if logs == nil && timeline != nil {
		timeline.Add(container, "log", line)
	}
}

func (p *printer) header(pod kubelet.Pod, isolation string, seed uint64, notes []string) {
	if !p.live {
		return
	}
	fmt.Fprintf(p.w, "pod %s, terminationGracePeriodSeconds %d, restartPolicy %s, seed %d\n",
		pod.Name, pod.GracePeriod, pod.RestartPolicy, seed)
	fmt.Fprintf(p.w, "isolation: %s\n", isolation)
	for _, note := range notes {
		fmt.Fprintf(p.w, "note: %s\n", note)
	}
	fmt.Fprintf(p.w, "\n%8s %8s  %-20s %-17s %s\n", "SECONDS", "DELETE+", "WHO", "WHAT", "RESULT")
}

func (p *printer) entry(e kubelet.Entry) {
	if !p.live {
		return
	}
	since := ""
	if e.SinceDelete != nil {
		since = fmt.Sprintf("%.3f", *e.SinceDelete)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "%8.3f %8s  %-20s %-17s %s\n", e.At, since, e.Who, e.What, e.Result)
}

// summary prints what Kubernetes would have shown.
func (p *printer) summary(r kubelet.Report, differences []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "\nWhat Kubernetes would show\n\nPod %s: %s\n", r.Pod, r.Phase)
	for _, c := range r.Containers {
		fmt.Fprintf(p.w, "  container %s: %d restarts\n", c.Name, c.RestartCount)
		for i, s := range c.Starts {
			state := "Last State"
			if i == len(c.Starts)-1 {
				state = "State"
			}
			fmt.Fprintf(p.w, "    %s: Terminated, Reason %s, Exit Code %d\n", state, s.Reason, s.ExitCode)
			if s.Message != "" {
				fmt.Fprintf(p.w, "      Message: %s\n", s.Message)
			}
		}
	}
	fmt.Fprintf(p.w, "\nEvents:\n  %-8s %-20s %9s  %s\n", "TYPE", "REASON", "AGE", "MESSAGE")
	for _, e := range r.Events {
		count := ""
		if e.Count > 1 {
			count = fmt.Sprintf(" (x%d)", e.Count)
		}
		fmt.Fprintf(p.w, "  %-8s %-20s %8.1fs  %s%s\n", e.Type, e.Reason, e.At, e.Message, count)
	}
	for _, d := range differences {
		fmt.Fprintf(p.w, "\nnot as expected: %s\n", d)
	}
}
