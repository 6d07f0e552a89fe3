package monitoring

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// kubelet is the User-Agent of a hook's call.
const kubelet = "kube-lifecycle/1.33"

// member is an agent of the fleet.
type member struct {
	pod, hooks string
	env        []string
	// run is the CMD of podhook run; without one it is podhook serve.
	run []string
	// before happens before the start, in the directory of the agent.
	before func(t *testing.T, m member, dir string)
	// calls are requests to the agent: the path, and kubelet's in front of one of kubelet.
	calls []string
	// again is called for ever.
	again string
	// reload is what the file of the hooks becomes.
	reload string
}

const healthy = `hooks: {prestart: {steps: [{sleep: 10ms}]}, shutdown: {steps: [{sleep: 10ms}]}}`

// fleet is what the queries of the dashboard and the alerts need to see.
func fleet() []member {
	failing := member{
		hooks: `hooks: {prestart: {steps: [{name: register, exec: ["false"]}]}}`,
		calls: []string{"/prestart"},
	}
	return []member{
		{pod: "web-0", hooks: `hooks: {reload: {steps: [{wait: {file: "${DIR}/up"}}, {signal: HUP}]}}`, run: []string{"sh", "-c", `trap "" HUP; : >"$DIR/up"; exec sleep 600`}, calls: []string{"/hooks/reload"}},
		{pod: "web-1", hooks: healthy, env: []string{"PODHOOK_LISTEN=0.0.0.0:0"}, calls: []string{"/prestart", "/shutdown"}},
		failing.named("api-0"), failing.named("api-1"), failing.named("api-2"),
		{pod: "cache-0", hooks: `hooks: {shutdown: {timeout: 500ms, steps: [{exec: [sh, -c, 'trap "" TERM; sleep 30'], killAfter: 100ms}]}}`, calls: []string{"/shutdown", "kubelet /preStop"}},
		{pod: "worker-0", hooks: `hooks: {shutdown: {timeout: 5s, steps: [{sleep: 4800ms}, {exec: ["false"]}]}}`, again: "/shutdown"},
		{pod: "db-0", hooks: healthy, before: crashed, calls: []string{"/prestart"}, reload: "hooks: {prestart: {step: []}}"},
		{pod: "queue-0", hooks: healthy, env: []string{"PODHOOK_TOKEN=a-token-of-this-test", "PODHOOK_MAIN=name:nothing-has-it"}, calls: []string{"kubelet /shutdown"}},
		{pod: "batch-0", hooks: `hooks: {prestart: {timeout: 10m, steps: [{sleep: 9m}]}}`, calls: []string{"/prestart?wait=false"}},
		{pod: "cart-0", hooks: `hooks: {prestart: {steps: [{sleep: 10ms}]}, shutdown: {steps: [{wait: {connections: {port: 9}}}, {sleep: 10ms}]}, poststop: {timeout: 10m, steps: [{sleep: 9m}]}}`,
			env: []string{"PODHOOK_GRACE_PERIOD=15m"}, run: []string{"sh", "-c", `kill -TERM $PPID; exec sleep 600`}},
		{pod: "job-0", hooks: `hooks: {poststop: {timeout: 10m, steps: [{sleep: 9m}]}}`, run: []string{"true"}},
	}
}

func (m member) named(pod string) member {
	m.pod = pod
	return m
}

// crashed leaves the state of a start that was never shut down, as of another instance.
func crashed(t *testing.T, m member, dir string) {
	t.Helper()
	cmd := exec.Command(podhook, "prestart")
	cmd.Env = m.environment(dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(dir, "state", "hooks", "prestart", "run.json")
	text := regexp.MustCompile(`^\{"instance":"\w+"`).ReplaceAllString(read(t, file), `{"instance":"0123456789abcdef"`)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (m member) environment(dir string) []string {
	return append([]string{
		"PATH=/usr/bin:/bin", "DIR=" + dir, "PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_CONFIG=" + filepath.Join(dir, "podhook.yaml"),
		"PODHOOK_STATE_DIR=" + filepath.Join(dir, "state"), "PODHOOK_TERMINATION_LOG=off",
	}, m.env...)
}

// target is what Prometheus finds out about an agent.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// targetOf is the agent as the API server shows its pod.
func targetOf(pod, address, port string) target {
	app, _, _ := strings.Cut(pod, "-")
	return target{[]string{address}, map[string]string{
		"__meta_kubernetes_namespace": "shop", "__meta_kubernetes_pod_name": pod, "__meta_kubernetes_pod_phase": "Running",
		"__meta_kubernetes_pod_container_name": "podhook", "__meta_kubernetes_pod_container_port_name": port,
		"__meta_kubernetes_pod_label_app_kubernetes_io_name": app,
	}}
}

// start starts the agent, calls its hooks, and returns what Prometheus finds.
func (m member) start(t *testing.T, dir string) target {
	t.Helper()
	c, found := m.serve(t, dir)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of %s:\n%s", m.pod, read(t, filepath.Join(dir, "log")))
		}
	})
	address := found.Targets[0]
	for _, path := range m.calls {
		call(t.Context(), address, path)
	}
	if m.again != "" {
		go func() {
			for t.Context().Err() == nil {
				call(t.Context(), address, m.again)
			}
		}()
	}
	if m.reload != "" {
		m.configure(t, dir, m.reload)
		c.signal(syscall.SIGHUP)
	}
	return found
}

// configure writes the file of the hooks.
func (m member) configure(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "podhook.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// serve starts the agent and waits until it listens.
func (m member) serve(t *testing.T, dir string) (*child, target) {
	t.Helper()
	log := filepath.Join(dir, "log")
	m.configure(t, dir, m.hooks)
	if m.before != nil {
		m.before(t, m, dir)
	}
	argv := []string{podhook, "serve"}
	if m.run != nil {
		argv = append([]string{podhook, "run", "--"}, m.run...)
	}
	c := startChild(t, log, m.environment(dir), argv...)
	var listens []string
	testutil.Eventually(t, m.pod+" is up", func() bool {
		listens = regexp.MustCompile(`agent listens \(address \S+:(\d+),`).FindStringSubmatch(read(t, log))
		if c.ended() {
			t.Fatalf("%s has ended:\n%s", m.pod, read(t, log))
		}
		return listens != nil && (m.run == nil || strings.Contains(read(t, log), "main process started"))
	})
	return c, targetOf(m.pod, "127.0.0.1:"+listens[1], "podhook")
}

// call sends a request, as kubelet if the path says so, and returns the body of the answer.
// The metrics tell what has become of it.
func call(ctx context.Context, address, path string, header ...string) string {
	agent := "test"
	if rest, found := strings.CutPrefix(path, "kubelet "); found {
		path, agent = rest, kubelet
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("User-Agent", agent)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Close = true // a connection that is used again would make the client call twice
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}
