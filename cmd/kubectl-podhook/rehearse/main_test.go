package rehearse

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/local"
)

// The test binary is also rehearse itself (as first stage of a container, and
// as another user) and the workload that is rehearsed.
func TestMain(m *testing.M) {
	switch {
	case local.IsStage(os.Args):
		os.Exit(local.RunStage(os.Args))
	case os.Getenv("WORKLOAD") != "":
		os.Exit(workload(os.Getenv("WORKLOAD")))
	case os.Getenv("AS_REHEARSE") != "":
		os.Unsetenv("AS_REHEARSE")
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
		defer stop()
		os.Exit(Run(ctx, os.Args[1:], os.Stdout, os.Stderr))
	}
	// By default a program with the race detector sleeps 1 s at its exit.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// pod is the address and port of one test's pod: a loopback address of its own,
// so that tests can run at the same time.
type pod struct{ ip, port string }

var podCount atomic.Uint32

func newPod(t *testing.T) pod {
	t.Helper()
	n := podCount.Add(1)
	ip := fmt.Sprintf("127.%d.%d.%d", 10+os.Getpid()%200, n/200, 2+n%200)
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return pod{ip, port}
}

// serve are the arguments of a rehearsal of the workload's server; DELETE comes
// as soon as it is ready.
func (p pod) serve(flags ...string) []string {
	args := []string{"--stop-after", "0s", "--probe-period", "20ms", "--readiness-http", p.port + "/ok",
		"--env", "WORKLOAD=serve", "--env", "LISTEN=" + p.ip + ":" + p.port}
	return append(append(args, flags...), "--", os.Args[0])
}

// rehearseJSON runs rehearse and decodes its report.
func rehearseJSON(t *testing.T, p pod, args ...string) kubelet.Report {
	t.Helper()
	var out bytes.Buffer
	code, err := run(t.Context(), append([]string{"-o", "json", "--limit", "60s", "--pod-ip", p.ip}, args...), &out)
	if err != nil || code != exitRan {
		t.Fatalf("rehearse: exit code %d, %v\n%s", code, err, out.String())
	}
	var r kubelet.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, e := range r.Timeline {
				t.Logf("%7.3f %-16s %-14s %s", e.At, e.Who, e.What, e.Result)
			}
		}
	})
	return r
}

// find returns the entries of a kind.
func find(r kubelet.Report, who, what string) []kubelet.Entry {
	var found []kubelet.Entry
	for _, e := range r.Timeline {
		if e.Who == who && e.What == what {
			found = append(found, e)
		}
	}
	return found
}

// wantOnce asserts that an entry came once, between two times in seconds after the DELETE.
func wantOnce(t *testing.T, r kubelet.Report, who, what string, from, to float64) {
	t.Helper()
	found := find(r, who, what)
	if len(found) != 1 || found[0].SinceDelete == nil || *found[0].SinceDelete < from || *found[0].SinceDelete > to {
		t.Errorf("%s %s: %+v, want one at %v to %v s after the DELETE", who, what, found, from, to)
	}
}

func wantNone(t *testing.T, r kubelet.Report, who, what string) {
	t.Helper()
	if found := find(r, who, what); len(found) > 0 {
		t.Errorf("%s %s: %+v, want none", who, what, found)
	}
}

// wantEvents asserts the reasons of the events without Unhealthy: a probe can come
// before a starting server listens.
func wantEvents(t *testing.T, r kubelet.Report, want ...string) {
	t.Helper()
	var got []string
	for _, e := range r.Events {
		if e.Reason != "Unhealthy" {
			got = append(got, e.Reason)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// logged returns the lines of a container that have a prefix, without the prefix.
func logged(r kubelet.Report, who, prefix string) []string {
	var lines []string
	for _, e := range r.Timeline {
		if line, ok := strings.CutPrefix(e.Result, prefix); ok && e.Who == who && (e.What == "log" || e.What == "output") {
			lines = append(lines, line)
		}
	}
	return lines
}

func lastState(t *testing.T, r kubelet.Report, container string) kubelet.InstanceStatus {
	t.Helper()
	for _, c := range r.Containers {
		if last := c.Last(); c.Name == container && last != nil {
			return *last
		}
	}
	t.Fatalf("container %s was never started", container)
	return kubelet.InstanceStatus{}
}

// workload is the main function of the containers of these tests.
func workload(kind string) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	switch kind {
	case "serve":
		if err := serve(); err != nil {
			fmt.Println("serve:", err)
			return 1
		}
	case "family":
		if err := family(); err != nil {
			fmt.Println("family:", err)
			return 1
		}
	case "context":
		return describeContext()
	case "hang":
		fmt.Println("up")
		for range term {
			fmt.Println("got SIGTERM")
		}
	}
	if up := os.Getenv("UP"); up != "" {
		if err := os.WriteFile(up, nil, 0o644); err != nil {
			fmt.Println(err)
			return 1
		}
		defer os.Remove(up)
	}
	for range term {
		fmt.Println("got SIGTERM")
		if os.Getenv("STUBBORN") == "" {
			break
		}
	}
	return 0
}
