//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// wantEvents asserts the reasons of the pod's events, in their order.
func wantEvents(t *testing.T, r kubelet.Report, want ...string) {
	t.Helper()
	var got []string
	for _, e := range r.Events {
		if e.Reason == "Unhealthy" {
			continue // how often a probe fails varies
		}
		for range e.Count {
			got = append(got, e.Reason)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// wantExit asserts the exit code of a container's start, counted from 0.
func wantExit(t *testing.T, r kubelet.Report, container string, start, code int) {
	t.Helper()
	for _, c := range r.Containers {
		if c.Name != container {
			continue
		}
		if len(c.Starts) <= start {
			t.Errorf("container %s was started %d times", container, len(c.Starts))
		} else if got := c.Starts[start].ExitCode; got != code {
			t.Errorf("start %d of container %s ended with %d, want %d", start, container, got, code)
		}
		return
	}
	t.Errorf("no container %s", container)
}

// find returns the entries of the timeline with who, what and a result that contains
// the text.
func find(r kubelet.Report, who, what, text string) []kubelet.Entry {
	var found []kubelet.Entry
	for _, e := range r.Timeline {
		if e.Who == who && e.What == what && strings.Contains(e.Result, text) {
			found = append(found, e)
		}
	}
	return found
}

// wantLogged asserts how many lines of a container contain the text.
func wantLogged(t *testing.T, r kubelet.Report, container, text string, n int) {
	t.Helper()
	if got := len(find(r, container, "log", text)); got != n {
		t.Errorf("%d lines of %s with %q, want %d", got, container, text, n)
	}
}

// sinceDelete returns the time of the first such entry, in seconds after the DELETE.
func sinceDelete(t *testing.T, r kubelet.Report, who, what string) float64 {
	t.Helper()
	found := find(r, who, what, "")
	if len(found) == 0 || found[0].SinceDelete == nil {
		t.Fatalf("no %s of %s after the DELETE", what, who)
	}
	return *found[0].SinceDelete
}

func wantBetween(t *testing.T, what string, got, least, most float64) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("%s after %.2f s, want %v to %v", what, got, least, most)
	}
}

// wantHookLogged asserts that the log of a container has what the one run of a
// hook printed.
func wantHookLogged(t *testing.T, r kubelet.Report, container, hook string) {
	t.Helper()
	wantLogged(t, r, container, " "+hook+"/exec-podhook | ", 1)
}
