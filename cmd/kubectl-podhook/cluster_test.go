package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fakeKubectl answers `get` with files, and `exec` by running the program that is below
// root/POD, with that pod's environment. It says what kubectl and containerd say.
const fakeKubectl = `#!/bin/sh
echo "$@" >>"$FAKE/calls"
while case "$1" in --*=*) true ;; *) false ;; esac; do shift; done
case "$1 $2" in
"get pod")
	[ -f "$FAKE/pods/$6" ] || { echo "Error from server (NotFound): pods \"$6\" not found" >&2; exit 1; }
	exec cat "$FAKE/pods/$6" ;;
"get pods") exec cat "$FAKE/list" ;;
exec*)
	pod=$2 program=$5
	shift 5
	if ! [ -x "$FAKE/root/$pod$program" ]; then
		echo "error: Internal error occurred: error executing command in container: failed to exec in container: failed to start exec \"1\": OCI runtime exec failed: exec failed: unable to start container process: exec: \"$program\": stat $program: no such file or directory: unknown" >&2
		exit 1
	fi
	PODHOOK_STATE_DIR="$FAKE/state/$pod" PODHOOK_CONFIG="$FAKE/podhook.yaml" exec "$FAKE/root/$pod$program" "$@" ;;
esac
echo "fake kubectl: $*" >&2
exit 1
`

// cluster is what the fake kubectl shows.
type cluster struct {
	t    *testing.T
	dir  string
	list corev1.PodList
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), list: corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}}
	c.write("bin/kubectl", fakeKubectl, 0o755)
	c.write("podhook.yaml", "hooks:\n  shutdown:\n    steps:\n    - exec: [sh, -c, 'echo drained; exit 3']\n", 0o644)
	c.update()
	t.Setenv("FAKE", c.dir)
	t.Setenv("PATH", c.dir+"/bin:"+os.Getenv("PATH"))
	return c
}

func (c *cluster) write(name, text string, mode os.FileMode) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) update() {
	c.t.Helper()
	text, err := json.Marshal(c.list)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("list", string(text), 0o644)
}

// pod adds a Pod. If program is not empty, podhook is there.
func (c *cluster) pod(name, program string, phase corev1.PodPhase, containers ...corev1.Container) {
	c.t.Helper()
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{Containers: containers}, Status: corev1.PodStatus{Phase: phase}}
	text, err := json.Marshal(pod)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write("pods/"+name, string(text), 0o644)
	c.list.Items = append(c.list.Items, pod)
	c.update()
	if program == "" {
		return
	}
	path := filepath.Join(c.dir, "root", name, program)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Symlink(podhookProgram, path); err != nil {
		c.t.Fatal(err)
	}
}

// shutdown runs the hook in a pod, which fails.
func (c *cluster) shutdown(pod, program string) {
	c.t.Helper()
	if out, err := exec.Command("kubectl", "exec", pod, "--container=app", "--", program, "shutdown").CombinedOutput(); err == nil {
		c.t.Fatalf("the hook has not failed: %s", out)
	}
}

func (c *cluster) calls() string {
	text, _ := os.ReadFile(filepath.Join(c.dir, "calls"))
	return string(text)
}

// withPodhook is a container as inject makes it.
func withPodhook(name string) corev1.Container {
	return corev1.Container{Name: name, Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{
		Exec: &corev1.ExecAction{Command: []string{"/podhook-bin/podhook", "shutdown"}}}}}
}

func TestStatusOfAPod(t *testing.T) {
	c := newCluster(t)
	c.pod("web-0", "/podhook-bin/podhook", corev1.PodRunning, corev1.Container{Name: "proxy"}, withPodhook("app"))
	c.shutdown("web-0", "/podhook-bin/podhook")
	out, stderr, code := plugin(t, "status", "web-0", "-n", "shop", "--context=far", "--kubeconfig", "/k")
	if code != 0 || !strings.Contains(out, "HOOK") || !strings.Contains(out, "failed") || !strings.Contains(out, "exited with code 3") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	for _, want := range []string{
		"--namespace=shop --context=far --kubeconfig=/k get pod -o json -- web-0\n",
		"--namespace=shop --context=far --kubeconfig=/k exec web-0 --container=app -- /podhook-bin/podhook status -o table\n",
	} {
		if !strings.Contains(c.calls(), want) {
			t.Errorf("no call %q in\n%s", want, c.calls())
		}
	}
	out, _, code = plugin(t, "status", "-o", "json", "pod/web-0")
	if code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("-o json: exit code %d, %q", code, out)
	}
}

func TestLogs(t *testing.T) {
	c := newCluster(t)
	c.pod("web-0", "/podhook", corev1.PodRunning, corev1.Container{Name: "app", Env: []corev1.EnvVar{{Name: "PODHOOK_GRACE_PERIOD", Value: "30s"}}})
	c.shutdown("web-0", "/podhook")
	out, stderr, code := plugin(t, "logs", "web-0", "shutdown", "-f", "--tail", "5")
	if code != 0 || !strings.Contains(out, "drained") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	if want := "exec web-0 --container=app -- /podhook logs -f --tail=5 -- shutdown\n"; !strings.Contains(c.calls(), want) {
		t.Errorf("no call %q in\n%s", want, c.calls())
	}
	// podhook's own exit code and words come through.
	if _, stderr, code := plugin(t, "logs", "web-0", "nothing"); code != 2 || !strings.Contains(stderr, "nothing") {
		t.Errorf("an unknown hook: exit code %d, %q", code, stderr)
	}
}

func TestStatusOfSeveralPods(t *testing.T) {
	c := newCluster(t)
	for i := range 20 {
		c.pod(fmt.Sprintf("web-%02d", i), "/podhook-bin/podhook", corev1.PodRunning, withPodhook("app"))
	}
	c.shutdown("web-07", "/podhook-bin/podhook")
	out, stderr, code := plugin(t, "status", "-l", "app=web")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || stderr != "" || len(lines) != 21 {
		t.Fatalf("exit code %d, %q, %d lines:\n%s", code, stderr, len(lines), out)
	}
	for i, line := range lines[1:] {
		words := strings.Fields(line)
		outcome := "-"
		if i == 7 {
			outcome = "failed"
		}
		if words[0] != fmt.Sprintf("web-%02d", i) || words[1] != "app" || words[2] != "shutdown" || words[3] != outcome {
			t.Errorf("line %d: %q", i+1, line)
		}
	}
	if !strings.Contains(c.calls(), "get pods -o json --selector=app=web\n") {
		t.Errorf("the selector is not passed:\n%s", c.calls())
	}
	// One that cannot answer has a row and an exit code, and does not hide the others.
	c.pod("bare", "", corev1.PodRunning, corev1.Container{Name: "app"})
	c.pod("broken", "", corev1.PodRunning, withPodhook("app"))
	c.pod("done", "", corev1.PodSucceeded, withPodhook("app"))
	out, stderr, code = plugin(t, "status", "-l", "app=web")
	if code != 1 || !strings.Contains(stderr, "3 of 23 pods did not answer") || strings.Count(out, "\n") != 24 {
		t.Errorf("exit code %d, %q\n%s", code, stderr, out)
	}
	for _, want := range []string{"no container has podhook", "there is no podhook: /podhook-bin/podhook does not exist", "the pod has ended: Succeeded"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	out, stderr, code = plugin(t, "status", "web-07", "gone", "web-08")
	if code != 1 || !strings.Contains(stderr, `"gone" not found`) || strings.Count(out, "\n") != 3 {
		t.Errorf("exit code %d, %q\n%s", code, stderr, out)
	}
}

func TestPodsWithoutPodhook(t *testing.T) {
	c := newCluster(t)
	c.pod("bare", "", corev1.PodRunning, corev1.Container{Name: "app"}, corev1.Container{Name: "proxy"})
	c.pod("broken", "", corev1.PodRunning, withPodhook("app"))
	c.pod("other", "/podhook", corev1.PodRunning, corev1.Container{Name: "app"})
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"nothing speaks of it": {[]string{"status", "bare"}, "pod bare: no container has podhook (app, proxy)"},
		"logs":                 {[]string{"logs", "bare", "shutdown"}, "pod bare: no container has podhook (app, proxy)"},
		"it does not exist":    {[]string{"status", "broken"}, "pod broken, container app: there is no podhook: /podhook-bin/podhook does not exist"},
		"named, but not there": {[]string{"status", "bare", "-c", "app"}, "/podhook does not exist"},
		"no such container":    {[]string{"logs", "bare", "shutdown", "-c", "none"}, "no container none"},
		"the pod is gone":      {[]string{"status", "gone"}, `Error from server (NotFound): pods "gone" not found`},
		"no pod":               {[]string{"logs", "deploy/web", "shutdown"}, `"deploy/web" is no pod`},
		"no such labels":       {[]string{"status", "-l", "app=none"}, "no pod has the labels app=none"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "no such labels" {
				c.list.Items = nil
				c.update()
			}
			if out, stderr, code := plugin(t, test.args...); code != 1 || out != "" || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, %q, %q", code, out, stderr)
			}
		})
	}
	if out, stderr, code := plugin(t, "status", "-c", "app", "other"); code != 0 || !strings.Contains(out, "shutdown") {
		t.Errorf("a container that is named: exit code %d, %q, %q", code, out, stderr)
	}
	t.Setenv("PATH", t.TempDir())
	for _, args := range [][]string{{"status", "bare"}, {"logs", "bare", "shutdown"}, {"status", "-l", "a=b"}} {
		if _, stderr, code := plugin(t, args...); code != 1 || !strings.Contains(stderr, "kubectl is not in PATH") {
			t.Errorf("%q without kubectl: exit code %d, %q", args, code, stderr)
		}
	}
}

func TestUsageOfClusterCommands(t *testing.T) {
	for _, args := range [][]string{
		{"status"}, {"status", "a", "-l", "b"}, {"status", "a", "-o", "yaml"}, {"status", "-o", "json", "a", "b"},
		{"logs"}, {"logs", "a"}, {"logs", "a", "b", "c"}, {"logs", "a", "b", "--tail", "x"},
	} {
		if out, stderr, code := plugin(t, args...); code != exitUsage || out != "" || stderr == "" {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, stderr)
		}
	}
}
