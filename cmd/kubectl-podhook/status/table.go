package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/cmd/kubectl-podhook/kubectl"
)

// atOnce bounds how many pods are asked at the same time.
const atOnce = 8

// answer is what one pod says.
type answer struct {
	pod, container string
	status         agent.Status
	err            error
}

// table prints a row for each hook of each pod. The error says how many pods did not
// answer; their rows say why.
func (o *options) table(ctx context.Context, w io.Writer) error {
	pods, gone := o.find(ctx)
	answers := make([]answer, len(pods))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, pod := range pods {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			answers[i] = o.ask(ctx, pod)
		})
	}
	all.Wait()
	silent := 0
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(pods) > 0 {
		fmt.Fprintln(tw, "POD\tCONTAINER\tHOOK\tOUTCOME\tTRIGGER\tSTARTED\tSECONDS\tREASON")
	}
	for _, a := range answers {
		if a.err != nil {
			silent++
		}
		a.rows(tw)
	}
	err := tw.Flush()
	if silent > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d pods did not answer", silent, len(pods)))
	}
	return errors.Join(gone, err)
}

func (o *options) ask(ctx context.Context, pod corev1.Pod) answer {
	a := answer{pod: pod.Name, container: "-"}
	place, err := kubectl.Find(pod, o.container)
	if err != nil {
		a.err = err
		return a
	}
	a.container = place.Container
	if phase := pod.Status.Phase; phase == corev1.PodSucceeded || phase == corev1.PodFailed {
		a.err = fmt.Errorf("the pod has ended: %s", phase)
		return a
	}
	var out, errs bytes.Buffer
	if a.err = o.Exec(ctx, place, &out, &errs, "status", "-o", "json"); a.err == nil {
		a.err = json.Unmarshal(out.Bytes(), &a.status)
	}
	var code kubectl.ExitError
	if text := strings.TrimSpace(errs.String()); errors.As(a.err, &code) && text != "" {
		a.err = errors.New(text)
	}
	return a
}

// rows leaves out built-in hooks that have neither steps nor a run.
func (a answer) rows(w io.Writer) {
	if a.err != nil {
		fmt.Fprintf(w, "%s\t%s\t-\tunknown\t-\t-\t-\t%s\n", a.pod, a.container, oneLine(a.err.Error()))
		return
	}
	printed := false
	for _, h := range a.status.Hooks {
		run := h.LastRun
		switch {
		case h.Error != "":
			fmt.Fprintf(w, "%s\t%s\t%s\tunknown\t-\t-\t-\t%s\n", a.pod, a.container, h.Name, oneLine(h.Error))
		case run != nil:
			seconds := "-"
			if run.End != nil {
				seconds = fmt.Sprintf("%.3f", run.End.Sub(run.Start).Seconds())
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.pod, a.container, h.Name, run.Outcome, run.Trigger,
				run.Start.UTC().Format(time.RFC3339), seconds, oneLine(run.Reason))
		case h.Steps > 0:
			fmt.Fprintf(w, "%s\t%s\t%s\t-\t-\t-\t-\tnot run in this instance\n", a.pod, a.container, h.Name)
		default:
			continue
		}
		printed = true
	}
	if !printed {
		fmt.Fprintf(w, "%s\t%s\t-\t-\t-\t-\t-\tno hook has steps\n", a.pod, a.container)
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
