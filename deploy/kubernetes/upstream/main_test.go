package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/record"
	"k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
)

// patience is how long a test waits for what comes at once.
const patience = 30 * time.Second

var podhook string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "podhook-upstream")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	podhook = filepath.Join(dir, "podhook")
	build := exec.Command("make", "--no-print-directory", "BIN="+dir, podhook)
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "make podhook: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// agent is a running `podhook serve`.
type agent struct {
	t    *testing.T
	dir  string
	port int
	log  *log
}

var listens = regexp.MustCompile(`msg="agent listens" address=127\.0\.0\.1:(\d+)`)

// serve starts the agent with the hooks and further variables. ${DIR} in the hooks is its directory.
func serve(t *testing.T, hooks string, env ...string) *agent {
	t.Helper()
	a := &agent{t: t, dir: t.TempDir(), log: &log{}}
	cmd := exec.Command(podhook, "serve")
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "DIR="+a.dir, "PODHOOK_CONFIG_YAML="+hooks, "PODHOOK_LOG_FORMAT=logfmt",
		"PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_STATE_DIR="+filepath.Join(a.dir, "state"), "PODHOOK_TERMINATION_LOG=off")
	cmd.Stdout, cmd.Stderr = a.log, a.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Logf("podhook serve: %v", err)
		}
		if t.Failed() {
			text := a.log.String()
			t.Log(text[max(0, len(text)-4000):])
		}
	})
	a.eventually("it listens", func() bool {
		found := listens.FindStringSubmatch(a.log.String())
		if found != nil {
			a.port, _ = strconv.Atoi(found[1])
		}
		return found != nil
	})
	return a
}

func (a *agent) eventually(what string, holds func() bool) {
	a.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			a.t.Fatalf("not in %v: %s\n%s", patience, what, a.log)
		}
	}
}

// ran is how often the step that appends to the file has run.
func (a *agent) ran(file string) int {
	text, err := os.ReadFile(filepath.Join(a.dir, file))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		a.t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

// log is the agent's log, written by its process while a test reads it.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// call is one run of a lifecycle handler by kubelet's code.
type call struct {
	err    error
	took   time.Duration
	events []string
	// sent are the requests and their answers, redirects and fall-backs included.
	sent []exchange
}

type exchange struct {
	request  *http.Request
	response *http.Response // nil if there was none
}

// kubelet runs the httpGet of a lifecycle handler of a Pod that has the agent's address.
func (a *agent) kubelet(get corev1.HTTPGetAction) call {
	a.t.Helper()
	get.Port = intstr.FromInt32(int32(a.port))
	events := record.NewFakeRecorder(10)
	wire := &wire{next: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer wire.next.CloseIdleConnections()
	// As NewMainKubelet of k8s.io/kubernetes/pkg/kubelet makes it.
	client := &http.Client{Transport: wire, CheckRedirect: httpprobe.RedirectChecker(false)}
	runner := lifecycle.NewHandlerRunner(client, nil, podAt("127.0.0.1"), events)
	began := time.Now()
	_, err := runner.Run(a.t.Context(), container.ContainerID{}, &corev1.Pod{}, &corev1.Container{Name: "app"}, &corev1.LifecycleHandler{HTTPGet: &get})
	c := call{err: err, took: time.Since(began), sent: wire.sent}
	close(events.Events)
	for event := range events.Events {
		c.events = append(c.events, event)
	}
	return c
}

// wire notes what is sent.
type wire struct {
	next *http.Transport
	sent []exchange
}

func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := w.next.RoundTrip(request)
	w.sent = append(w.sent, exchange{request, response})
	return response, err
}

// podAt stands for the container runtime, which knows the Pod's address.
type podAt string

func (podAt) GetPod(context.Context, types.UID) (*container.Pod, error) { return &container.Pod{}, nil }

func (ip podAt) GetPodStatus(context.Context, *container.Pod) (*container.PodStatus, error) {
	return &container.PodStatus{IPs: []string{string(ip)}}, nil
}

// statuses are those of all answers, 0 for none.
func (c call) statuses() (all []int) {
	for _, e := range c.sent {
		status := 0
		if e.response != nil {
			status = e.response.StatusCode
		}
		all = append(all, status)
	}
	return all
}

// free is an address that nobody listens on.
func free(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func contains(events []string, words string) bool {
	return strings.Contains(strings.Join(events, "\n"), words)
}
