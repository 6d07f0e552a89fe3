package rehearse

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"github.com/podhook/podhook/internal/testutil"
)

// Bad usage names the flag or field, the value and what is allowed.
func TestBadUsage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"no command":         {nil, []string{"container main: no command"}},
		"isolation":          {[]string{"--isolation", "full", "--", "true"}, []string{"--isolation full", "auto, namespaces, none"}},
		"restart policy":     {[]string{"--restart-policy", "no", "--", "true"}, []string{"--restart-policy no", "Always, OnFailure, Never"}},
		"output":             {[]string{"-o", "xml", "--", "true"}, []string{"--o xml", "table, json"}},
		"pod IP":             {[]string{"--pod-ip", "here", "--", "true"}, []string{"--pod-ip here", "IP address"}},
		"negative duration":  {[]string{"--stop-after", "-1s", "--", "true"}, []string{"--stop-after -1s", "0 or more"}},
		"limit":              {[]string{"--limit", "0s", "--", "true"}, []string{"--limit", "more than 0"}},
		"expectation":        {[]string{"--expect", "luck", "--", "true"}, []string{"luck", "no-failed-hooks"}},
		"exit expectation":   {[]string{"--expect", "exit=x", "--", "true"}, []string{"exit=x", "number"}},
		"two handlers":       {[]string{"--pre-stop-exec", "true", "--pre-stop-sleep", "1s", "--", "true"}, []string{"--pre-stop", "only one"}},
		"argv":               {[]string{"--pre-stop-exec", `["a"`, "--", "true"}, []string{"--pre-stop-exec", `["a"`, "JSON list"}},
		"HTTP":               {[]string{"--pre-stop-http", "/stop", "--", "true"}, []string{"--pre-stop-http /stop", "PORT/PATH"}},
		"env":                {[]string{"--env", "A", "--", "true"}, []string{"--env A", "KEY=VALUE"}},
		"signal":             {[]string{"--stop-signal", "SIGNONE", "--", "true"}, []string{"--stop-signal SIGNONE", "SIGQUIT"}},
		"restart container":  {[]string{"--restart-container", "web", "--", "true"}, []string{"--restart-container web", "no such container"}},
		"runtime":            {[]string{"--runtime", "podman", "--", "true"}, []string{"--runtime podman", "local, docker"}},
		"image without it":   {[]string{"--image", "x", "--", "true"}, []string{"--image", "--runtime local"}},
		"tmpfs with docker":  {[]string{"--runtime", "docker", "--tmpfs", "/x", "--", "true"}, []string{"--tmpfs", "--runtime docker"}},
		"tmpfs":              {[]string{"--tmpfs", "/x", "--isolation", "none", "--", "true"}, []string{"tmpfs /x", "namespaces"}},
		"scenario":           {[]string{"--scenario", "luck", "--", "true"}, []string{"--scenario luck", "delete, ", " or all"}},
		"scenario's pod":     {[]string{"--scenario", "sidecar-killed", "--", "true"}, []string{"--scenario sidecar-killed", "no native sidecar"}},
		"end":                {[]string{"--end", "luck", "--", "true"}, []string{"--end luck", "delete, drain, eviction"}},
		"failure":            {[]string{"--fail", "luck", "--", "true"}, []string{"--fail luck", "liveness, oom"}},
		"restart rule":       {[]string{"--restart-rule", "Stop=1", "--", "true"}, []string{"--restart-rule Stop=1", "RestartAllContainers=CODES"}},
		"scoped expectation": {[]string{"--expect", "luck:ready", "--", "true"}, []string{"luck", "delete, "}},
		"manifest not there": {[]string{"-f", "none.yaml"}, []string{"none.yaml"}},
		"logs":               {[]string{"--logs", "no/such/dir/file", "--", "true"}, []string{"--logs", "no/such/dir/file"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, err := run(t.Context(), c.args, new(bytes.Buffer))
			if code != exitBadUsage || err == nil {
				t.Fatalf("exit code %d, %v", code, err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// A header may carry a token, which an error must not show.
func TestBadHeaderIsNotShown(t *testing.T) {
	t.Parallel()
	_, err := run(t.Context(), []string{"--header", "Bearer-secret", "--", "true"}, new(bytes.Buffer))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

func TestParseHTTP(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]kubelet.HTTPGet{
		"8080/a/b?c=d":           {Scheme: "HTTP", Port: "8080", Path: "/a/b?c=d"},
		":8080/":                 {Scheme: "HTTP", Port: "8080", Path: "/"},
		"web":                    {Scheme: "HTTP", Port: "web", Path: "/"},
		"https://:8443/x":        {Scheme: "HTTPS", Port: "8443", Path: "/x"},
		"http://[::1]:80/x?u=:1": {Scheme: "HTTP", Host: "::1", Port: "80", Path: "/x?u=:1"},
	} {
		got, err := parseHTTP("pre-stop-http", text)
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestExpectations(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	for name, c := range map[string]struct {
		expect string
		script string
		flags  []string
		differ string // empty where it is as expected
	}{
		"exit":                  {"exit=3", "exit 3", nil, ""},
		"another exit":          {"exit=0", "exit 3", nil, "exit=0: main ended with 3"},
		"phase":                 {"phase=Succeeded", "exit 3", nil, "phase=Succeeded: the phase is Failed"},
		"ready":                 {"ready", "exec sleep 60", []string{"--readiness-exec", "false", "--delete-at", "100ms", "--grace", "1"}, "ready: the pod was never ready"},
		"failed hook":           {"no-failed-hooks", "exec sleep 60", []string{"--post-start-exec", "false", "--grace", "1", "--restarts", "0"}, `no-failed-hooks: main/postStart: command ["false"] exited with 1`},
		"killed":                {"no-sigkill", "exec sleep 60", []string{"--grace", "1"}, "no-sigkill: main was killed"},
		"gave up":               {"finished", "exec sleep 60", []string{"--post-start-exec", "sleep 60", "--limit", "500ms"}, "finished: the rehearsal gave up"},
		"restarts":              {"restarts=1", "exit 0", []string{"--restarts", "1", "--stop-after", "10s"}, ""},
		"another restart count": {"restarts=1", "exit 0", []string{"--restarts", "0"}, "restarts=1: main was restarted 0 times"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			args := append([]string{"--restart-policy", "Always", "--stop-after", "0s", "--isolation", "namespaces", "--expect", c.expect}, c.flags...)
			started := time.Now()
			code, err := run(t.Context(), append(args, "--", "sh", "-c", c.script), &out)
			if err != nil {
				t.Fatal(err)
			}
			if c.differ == "" && code != exitRan || c.differ != "" && code != exitDiffers {
				t.Errorf("exit code %d", code)
			}
			if got := strings.Contains(out.String(), "not as expected: "+c.differ+"\n"); got != (c.differ != "") {
				t.Errorf("want difference %q in\n%s", c.differ, out.String())
			}
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("took %s: a limit was not kept", took)
			}
		})
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	p, logs := newPod(t), filepath.Join(t.TempDir(), "logs")
	var out bytes.Buffer
	args := []string{"--pod-ip", p.ip, "--seed", "1", "--logs", logs, "--grace", "1", "--restart-policy", "Never"}
	if code, err := run(t.Context(), append(args, "--", "sh", "-c", "echo hello"), &out); code != exitRan || err != nil {
		t.Fatal(code, err)
	}
	for _, want := range []string{
		"terminationGracePeriodSeconds 1, restartPolicy Never, seed 1\n", "isolation: ", "SECONDS  DELETE+  WHO",
		"main                 ended             exit code 0 (Completed)\n", "Pod rehearsed: Succeeded\n",
		"State: Terminated, Reason Completed, Exit Code 0\n", "Normal   Started ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "hello") {
		t.Error("the containers' lines are in the timeline although they have a file")
	}
	if text, err := os.ReadFile(logs); err != nil || string(text) != "main | hello\n" {
		t.Errorf("logs %q, %v", text, err)
	}
}

const manifest = `
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {a: b}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 60
      initContainers:
      - {name: install, image: podhook, args: [install, /bin]}
      - name: agent
        image: podhook
        restartPolicy: Always
        command: [podhook, serve]
        startupProbe: {exec: {command: [podhook, status]}, periodSeconds: 1}
      containers:
      - name: web
        image: web
        command: [web]
        args: [--serve]
        workingDir: /srv
        env: [{name: A, value: b}]
        ports: [{name: admin, containerPort: 8081}]
        volumeMounts: [{name: x, mountPath: /x}]
        lifecycle:
          stopSignal: SIGQUIT
          postStart: {sleep: {seconds: 2}}
          preStop: {httpGet: {path: /shutdown, port: admin, scheme: HTTPS, httpHeaders: [{name: X, value: y}]}}
        livenessProbe: {tcpSocket: {port: 8081}, terminationGracePeriodSeconds: 5}
        restartPolicy: Never
        restartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [1, 2]}}]
`

func writeManifest(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pod.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestManifest(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-f", writeManifest(t, manifest)}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	pod, notes, err := o.pod()
	if err != nil {
		t.Fatal(err)
	}
	two, five := 2*time.Second, int64(5)
	probe := kubelet.Probe{Period: 10 * time.Second, Timeout: time.Second, FailureThreshold: 3, SuccessThreshold: 1}
	startup, liveness := probe, probe
	startup.Exec, startup.Period = []string{"podhook", "status"}, time.Second
	liveness.TCPPort, liveness.GracePeriod = "8081", &five
	want := kubelet.Pod{
		Name: "web", GracePeriod: 60, RestartPolicy: kubelet.RestartAlways,
		Sidecars: []kubelet.Container{{
			Name: "agent", Image: "podhook", Command: []string{"podhook", "serve"}, Ports: map[string]int{}, Startup: &startup,
			RestartPolicy:          kubelet.RestartAlways,
			TerminationMessagePath: "/dev/termination-log",
		}},
		Containers: []kubelet.Container{{
			Name: "web", Image: "web", Command: []string{"web", "--serve"}, Env: []string{"A=b"}, WorkingDir: "/srv",
			Ports: map[string]int{"admin": 8081}, StopSignal: syscall.SIGQUIT, TerminationMessagePath: "/dev/termination-log",
			PostStart: &kubelet.Handler{Sleep: &two},
			PreStop: &kubelet.Handler{HTTPGet: &kubelet.HTTPGet{
				Port: "admin", Path: "/shutdown", Scheme: "HTTPS", Headers: []kubelet.Header{{Name: "X", Value: "y"}},
			}},
			Liveness: &liveness, RestartPolicy: kubelet.RestartNever,
			RestartRules: []kubelet.RestartRule{{Action: kubelet.RestartContainer, Codes: []int{1, 2}, Not: true}},
		}},
	}
	if !reflect.DeepEqual(pod, want) {
		t.Errorf("pod\n%+v, want\n%+v", pod, want)
	}
	wantNotes := []string{"init container install is not rehearsed: only native sidecars are", "container web: not rehearsed: volumeMounts"}
	if !reflect.DeepEqual(notes, wantNotes) {
		t.Errorf("notes %q, want %q", notes, wantNotes)
	}
}

func TestFlagsOverrideTheManifest(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-f", writeManifest(t, manifest), "--container", "agent", "--grace", "7", "--pre-stop-exec", "podhook shutdown",
		"--second", "sleep 1", "--", "podhook", "run"}, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	pod, _, err := o.pod()
	if err != nil {
		t.Fatal(err)
	}
	if len(pod.Sidecars) != 0 || len(pod.Containers) != 2 || pod.GracePeriod != 7 {
		t.Fatalf("pod %+v", pod)
	}
	c := pod.Containers[0]
	if c.Name != "agent" || !reflect.DeepEqual(c.Command, []string{"podhook", "run"}) || !reflect.DeepEqual(c.PreStop.Exec, []string{"podhook", "shutdown"}) {
		t.Errorf("container %+v", c)
	}
}

func TestBadManifest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"no pod":         {"kind: Service\nspec: {ports: []}\n", "no Pod or workload"},
		"no hook":        {"spec: {containers: [{name: a, command: [x], lifecycle: {preStop: {tcpSocket: {port: 1}}}}]}\n", "container a: lifecycle.preStop: exec, httpGet or sleep is needed"},
		"no probe":       {"spec: {containers: [{name: a, command: [x], readinessProbe: {grpc: {port: 1}}}]}\n", "container a: readinessProbe"},
		"no command":     {"spec: {containers: [{name: a, image: b}]}\n", "container a: no command"},
		"a wrong type":   {"spec: {containers: 7}\n", "pod.yaml"},
		"unknown rule":   {"spec: {containers: [{name: a, command: [x], restartPolicyRules: [{action: Stop, exitCodes: {operator: In, values: [1]}}]}]}\n", "container a: restartPolicyRules[0].action Stop: Restart or RestartAllContainers"},
		"unknown signal": {"spec: {containers: [{name: a, command: [x], lifecycle: {stopSignal: SIGX}}]}\n", "SIGX"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, err := run(t.Context(), []string{"-f", writeManifest(t, c.text)}, new(bytes.Buffer))
			if code != exitBadUsage || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("exit code %d, %v; want %q", code, err, c.want)
			}
		})
	}
}
