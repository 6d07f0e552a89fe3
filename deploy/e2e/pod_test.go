//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"github.com/podhook/podhook/internal/testutil"
)

// limit bounds one life of a pod.
const limit = 3 * time.Minute

// restricted are the arguments of a container under the Pod Security Standard
// "restricted" with a read-only root.
var restricted = []string{
	"--read-only", "--user", "65532:65532", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
}

// volume is a directory that any user of a container may write, and the argument
// that mounts it.
func volume(t *testing.T, at string) (dir, arg string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir, "--volume=" + dir + ":" + at
}

// read returns the text of a file, "" if there is no file.
func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

// script is the argv of a shell script.
func script(text string) []string { return []string{"sh", "-c", text} }

// loop is a main process that says "up", runs onTerm at SIGTERM and exits with 0.
func loop(onTerm string) []string {
	return script("trap '" + onTerm + "; exit 0' TERM; echo up; while :; do sleep 0.1; done")
}

func execHook(argv ...string) *kubelet.Handler { return &kubelet.Handler{Exec: argv} }

func httpHook(port, path string) *kubelet.Handler {
	return &kubelet.Handler{HTTPGet: &kubelet.HTTPGet{Port: port, Path: path}}
}

func httpProbe(port, path string) *kubelet.Probe {
	return probe(kubelet.Probe{HTTPGet: &kubelet.HTTPGet{Port: port, Path: path}})
}

// startupProbe waits until the container answers.
func startupProbe(port, path string) *kubelet.Probe {
	p := httpProbe(port, path)
	p.FailureThreshold = 100
	return p
}

// probe gives a probe short times.
func probe(p kubelet.Probe) *kubelet.Probe {
	p.Period, p.Timeout, p.FailureThreshold, p.SuccessThreshold = 200*time.Millisecond, 2*time.Second, 1, 1
	return &p
}

// rehearse plays the life of a pod and shows its timeline if the test fails.
func rehearse(t *testing.T, pod kubelet.Pod, o docker.Options, s kubelet.Scenario) kubelet.Report {
	t.Helper()
	o = confined(o)
	pod.Name = "e2e"
	if pod.GracePeriod == 0 {
		pod.GracePeriod = 20
	}
	if pod.RestartPolicy == "" {
		pod.RestartPolicy = kubelet.RestartAlways
	}
	for _, containers := range [][]kubelet.Container{pod.Containers, pod.Sidecars} {
		for i := range containers {
			containers[i].TerminationMessagePath = kubelet.DefaultTerminationMessagePath
		}
	}
	if s.DeleteAt == 0 {
		s.DeleteAt = time.Minute
	}
	o.ShareProcessNamespace, o.PauseImage = pod.ShareProcessNamespace, built.Podhook
	timeline := kubelet.NewTimeline(nil)
	o.Output = func(container, line string) { timeline.Add(container, "log", line) }
	runtime, err := docker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	report := kubelet.Rehearse(ctx, pod, s, runtime, timeline)
	if err := runtime.Close(); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(table(report))
		}
	})
	if report.GaveUp {
		t.Fatal("the rehearsal gave up")
	}
	return report
}

func table(r kubelet.Report) string {
	var b strings.Builder
	b.WriteString("timeline\n")
	for _, e := range r.Timeline {
		fmt.Fprintf(&b, "%8.3f  %-16s %-14s %s\n", e.At, e.Who, e.What, e.Result)
	}
	return b.String()
}

// profile is the seccomp profile that all containers of the tests have.
const profile = "../kubernetes/seccomp/podhook.json"

// confined adds the profile; E2E_SECCOMP=default leaves the engine's own.
func confined(o docker.Options) docker.Options {
	if os.Getenv("E2E_SECCOMP") == "default" {
		return o
	}
	args := map[string][]string{}
	maps.Copy(args, o.Args)
	args[""] = append(slices.Clone(args[""]), "--security-opt", "seccomp="+profile)
	o.Args = args
	return o
}

// starter starts containers of one pod outside of a rehearsal.
type starter struct {
	t       *testing.T
	runtime *docker.Runtime

	mu  sync.Mutex
	log []string
}

func newStarter(t *testing.T, o docker.Options) *starter {
	t.Helper()
	s := &starter{t: t}
	o = confined(o)
	o.PauseImage = built.Podhook
	o.Output = func(container, line string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.log = append(s.log, container+": "+line)
	}
	runtime, err := docker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.runtime = runtime
	t.Cleanup(func() {
		if err := runtime.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("containers said\n%s", strings.Join(s.lines(), "\n"))
		}
	})
	return s
}

func (s *starter) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *starter) start(c kubelet.Container) kubelet.Process {
	s.t.Helper()
	c.TerminationMessagePath = kubelet.DefaultTerminationMessagePath
	p, err := s.runtime.Start(c, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// said waits until a container has printed a line with the text in it.
func (s *starter) said(text string) {
	s.t.Helper()
	testutil.Eventually(s.t, "a line with "+text, func() bool {
		return slices.ContainsFunc(s.lines(), func(l string) bool { return strings.Contains(l, text) })
	})
}

// run runs argv in the container and returns its exit code and output.
func run(t *testing.T, p kubelet.Process, argv ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var output bytes.Buffer
	code, err := p.Exec(ctx, argv, &output)
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return code, output.String()
}

// token is what get sends; an agent that has none takes no notice.
const token = "the-token-of-the-tests"

// get asks the pod as kubelet does; status 0 says that the connection was closed
// without an answer.
func get(t *testing.T, p kubelet.Process, portAndPath string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+p.Address()+portAndPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Podhook-Token", token)
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// docker runs a docker command that must succeed.
func engine(t *testing.T, args ...string) string {
	t.Helper()
	code, output := tryEngine(t, args...)
	if code != 0 {
		t.Fatalf("docker %q: exit code %d\n%s", args, code, output)
	}
	return strings.TrimSpace(output)
}
