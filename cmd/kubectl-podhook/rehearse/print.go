package rehearse

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

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

func (p *printer) header(pod kubelet.Pod, r rehearsal) {
	if !p.live {
		return
	}
	if r.Scenario != "" {
		fmt.Fprintf(p.w, "scenario %s\n", r.Scenario)
	}
	fmt.Fprintf(p.w, "pod %s, terminationGracePeriodSeconds %d, restartPolicy %s, seed %d\n",
		pod.Name, pod.GracePeriod, pod.RestartPolicy, r.Seed)
	fmt.Fprintf(p.w, "isolation: %s\n", r.Isolation)
	for _, note := range r.Notes {
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
		if c.Waiting != "" {
			fmt.Fprintf(p.w, "    State: Waiting, Reason %s\n", c.Waiting)
		}
		for i, s := range c.Starts {
			state := "Last State"
			if i == len(c.Starts)-1 && c.Waiting == "" {
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
		fmt.Fprintf(p.w, "  %-8s %-20s %8.1fs  %s%s\n", e.Type, e.Reason, e.At, e.Message, times(e.Count))
	}
	fmt.Fprint(p.w, "\nVerdict: ")
	p.findings(r.Verdict)
	for _, d := range differences {
		fmt.Fprintf(p.w, "\nnot as expected: %s\n", d)
	}
}

// nothingFound is the verdict of a rehearsal without findings.
const nothingFound = "nothing was lost, late or hidden"

// findings prints a verdict, of which the first line has begun.
func (p *printer) findings(all []kubelet.Finding) {
	if len(all) == 0 {
		fmt.Fprintln(p.w, nothingFound)
		return
	}
	fmt.Fprintln(p.w)
	for _, f := range all {
		fmt.Fprintf(p.w, "  %-7s %s%s\n", f.Kind+":", f.What, times(f.Count))
	}
}

func times(count int) string {
	if count > 1 {
		return fmt.Sprintf(" (x%d)", count)
	}
	return ""
}

func (p *printer) json(value any) error {
	encoder := json.NewEncoder(p.w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
