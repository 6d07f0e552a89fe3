package inject

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/internal/testutil"
)

// podhookProgram is the built podhook.
var podhookProgram string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "inject")
	if err != nil {
		panic(err)
	}
	if podhookProgram, err = testutil.Build(dir); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// injectText is the command for a text, as a file.
func injectText(t *testing.T, text string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code = Run(t.Context(), append([]string{"-f", path}, args...), &out, &errs)
	return out.String(), errs.String(), code
}

// injectedText is the output of a command that succeeds, which is strictly valid, stays as
// it is when podhook is added again, and has hooks that podhook finds no fault with.
func injectedText(t *testing.T, text string, args ...string) (string, []manifest.Document) {
	t.Helper()
	out, stderr, code := injectText(t, text, args...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	again, stderr, code := injectText(t, out, args...)
	if code != 0 || again != out {
		t.Errorf("again: exit code %d, %s\n%s", code, stderr, diff(t, out, again))
	}
	kept(t, text, out)
	documents, err := manifest.Parse(manifest.File{Name: "out", Text: []byte(out)})
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	grace := int64(30)
	for _, d := range slices.Backward(documents) {
		if d.Pod != nil {
			if grace = 30; d.Pod.Spec.TerminationGracePeriodSeconds != nil {
				grace = *d.Pod.Spec.TerminationGracePeriodSeconds
			}
		}
		if d.ConfigMap != nil {
			checkHooks(t, d.ConfigMap.Data["podhook.yaml"], fmt.Sprintf("%ds", grace))
		}
	}
	return out, documents
}

// checkHooks lets podhook check a file of hooks.
func checkHooks(t *testing.T, hooks, grace string) {
	t.Helper()
	cmd := exec.Command(podhookProgram, "check", "-", "--syntax", "--grace", grace)
	cmd.Stdin = strings.NewReader(hooks)
	cmd.Env = append(os.Environ(), "PODHOOK_MAIN=pid:1", "PROGRAM=true")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "warning") && !strings.Contains(string(out), "0 warnings") {
		t.Errorf("podhook check: %v\n%s\n%s", err, out, hooks)
	}
}

// diff is what the program says about two texts.
func diff(t *testing.T, a, b string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"a": a, "b": b} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, _ := exec.Command("diff", filepath.Join(dir, "a"), filepath.Join(dir, "b")).CombinedOutput()
	return string(out)
}

// removed are the lines that are not in the output any more.
func removed(t *testing.T, a, b string) (lines []string) {
	t.Helper()
	for line := range strings.Lines(diff(t, a, b)) {
		if rest, ok := strings.CutPrefix(line, "< "); ok {
			lines = append(lines, strings.TrimSpace(rest))
		}
	}
	return lines
}

func workload(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/kubernetes/workload/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A workload without hooks loses no line, and gets what its way needs.
func TestWays(t *testing.T) {
	for way, want := range map[string][]string{
		"init": {"initContainers:", "args: [install, /podhook-bin]", "emptyDir: {sizeLimit: 64Mi}",
			"preStop:\n            exec: {command: [/podhook-bin/podhook, shutdown]}", `{name: PODHOOK_MAIN, value: "pid:1"}`},
		"volume":  {"image: {reference: registry.example/podhook:v1, pullPolicy: IfNotPresent}", "exec: {command: [/podhook-bin/podhook, ready]}"},
		"run":     {"exec: {command: [/podhook, shutdown]}", "mountPath: /etc/podhook"},
		"sidecar": {"shareProcessNamespace: true", "restartPolicy: Always", "httpGet: {path: /shutdown, port: 8480}", `{name: PODHOOK_MAIN, value: "name:web"}`},
	} {
		t.Run(way, func(t *testing.T) {
			args := []string{"--way", way, "--image", "registry.example/podhook:v1"}
			if way == "sidecar" {
				args = append(args, "--main", "name:web")
			}
			text := workload(t)
			out, documents := injectedText(t, text, args...)
			if lost := removed(t, text, out); lost != nil {
				t.Errorf("lines are gone: %q", lost)
			}
			for _, part := range append(want, `{name: PODHOOK_GRACE_PERIOD, value: "30s"}`, "configMap: {name: web-podhook}", "quiet: {ports: [8000]}") {
				if !strings.Contains(out, part) {
					t.Errorf("there is no %q in\n%s", part, out)
				}
			}
			if len(documents) != 2 || documents[0].String() != "ConfigMap/web-podhook" {
				t.Errorf("%d documents, first %s", len(documents), documents[0])
			}
			// Without flags it stays what it is, and another way is refused.
			if again, stderr, code := injectText(t, out); again != out {
				t.Errorf("without flags: exit code %d, %s", code, stderr)
			}
			other := "init"
			if way == other {
				other = "volume"
			}
			if _, stderr, code := injectText(t, out, "--way", other); code != exitWrong || !strings.Contains(stderr, "--way "+way) {
				t.Errorf("another way: exit code %d, %s", code, stderr)
			}
		})
	}
}

const handlersPod = `apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  terminationGracePeriodSeconds: 60
  containers:
  - name: app # the application
    image: b
    lifecycle:
      postStart:
        POSTSTART
      preStop:
        PRESTOP
    ports:
    - {name: http, containerPort: 8000}
    readinessProbe:
      PROBE
      periodSeconds: 3
`

// fill gives the Pod its handlers and its probe.
func fill(postStart, preStop, probe string) string {
	text := strings.NewReplacer("POSTSTART", postStart, "PRESTOP", preStop, "PROBE", probe).Replace(handlersPod)
	if postStart == "" {
		text = strings.Replace(text, "      postStart:\n        \n", "", 1)
	}
	if preStop == "" {
		text = strings.Replace(text, "      preStop:\n        \n", "", 1)
	}
	if probe == "" {
		text = strings.Replace(text, "    readinessProbe:\n      \n      periodSeconds: 3\n", "", 1)
	}
	return strings.Replace(text, "    lifecycle:\n    ports:", "    ports:", 1)
}

// hooksOf are the hooks of the ConfigMap, as podhook reads them.
func hooksOf(t *testing.T, documents []manifest.Document) *config.Config {
	t.Helper()
	for _, d := range documents {
		if d.ConfigMap != nil {
			cfg, err := config.Parse("podhook.yaml", []byte(d.ConfigMap.Data["podhook.yaml"]), nil)
			if err != nil {
				t.Fatal(err)
			}
			return cfg
		}
	}
	t.Fatal("there is no ConfigMap")
	return nil
}

// Each handler becomes the step that does the same, and nothing else of the manifest goes.
func TestHandlersBecomeSteps(t *testing.T) {
	script := "kill -QUIT 1\necho \"${X:-a}\" $$ $HOME # c\n"
	for name, test := range map[string]struct {
		postStart, preStop string
		hook               string
		kind               string
		same               func(config.Action) bool
	}{
		"exec": {"", "exec: {command: [sh, -c, 'sleep 5']}", "shutdown", "exec",
			func(a config.Action) bool { return slices.Equal(a.(config.Exec).Argv, []string{"sh", "-c", "sleep 5"}) }},
		"script": {"exec:\n          command:\n          - sh\n          - -c\n          - |\n            " + strings.ReplaceAll(strings.TrimSpace(script), "\n", "\n            "), "",
			"prestart", "exec", func(a config.Action) bool { return slices.Equal(a.(config.Exec).Argv, []string{"sh", "-c", script}) }},
		"odd words": {"", `exec: {command: ["a b", "${A}", "$$", "", "yes", "- x", "#", "it's", "a: b"]}`, "shutdown", "exec", func(a config.Action) bool {
			return slices.Equal(a.(config.Exec).Argv, []string{"a b", "${A}", "$$", "", "yes", "- x", "#", "it's", "a: b"})
		}},
		"httpGet": {"", "httpGet: {path: '/x?y=${z}', port: http, scheme: HTTPS, httpHeaders: [{name: A, value: b}]}", "shutdown", "http", func(a config.Action) bool {
			e := a.(config.HTTP).Endpoint
			return e.URL.Text == "https://127.0.0.1:8000/x?y=${z}" && e.InsecureSkipVerify && len(e.Headers) == 1 && e.Headers[0].Value == "b"
		}},
		"httpGet elsewhere": {"httpGet: {host: other, port: 80}", "", "prestart", "http",
			func(a config.Action) bool { return a.(config.HTTP).Endpoint.URL.Text == "http://other:80/" }},
		"sleep": {"", "sleep: {seconds: 7}", "shutdown", "sleep", func(a config.Action) bool { return a.(config.Sleep).Duration.Seconds() == 7 }},
	} {
		t.Run(name, func(t *testing.T) {
			text := fill(test.postStart, test.preStop, "")
			out, documents := injectedText(t, text, "--image", "x")
			steps := hooksOf(t, documents).Hooks[test.hook].Steps
			if len(steps) != 1 || steps[0].Action.Kind() != test.kind || !test.same(steps[0].Action) {
				t.Errorf("got %+v from\n%s", steps, out)
			}
			handler := test.postStart + test.preStop
			for _, line := range removed(t, text, out) {
				if !strings.Contains(handler, strings.TrimSpace(line)) {
					t.Errorf("the line %q is gone", line)
				}
			}
			if strings.Contains(out, "podhook-bin/podhook, shutdown") != true || strings.Contains(out, "podhook-bin/podhook, prestart") != true {
				t.Errorf("podhook is not called:\n%s", out)
			}
		})
	}
}
