package inject

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
)

// onePod is the Pod of a text, and its one container that is no podhook.
func onePod(t *testing.T, documents []manifest.Document) (*corev1.PodSpec, corev1.Container) {
	t.Helper()
	for _, d := range documents {
		if d.Pod != nil {
			return &d.Pod.Spec, d.Pod.Spec.Containers[0]
		}
	}
	t.Fatal("there is no Pod")
	return nil, corev1.Container{}
}

// Every form of YAML keeps what it says, and gets podhook.
func TestForms(t *testing.T) {
	for name, text := range map[string]string{
		"flow":                 `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: app, image: b, env: [{name: A, value: "}"}]}]}}`,
		"flow with comments":   "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [\n  {name: app, image: b, env: [{name: A, value: '}'}] # }\n  } # one\n] }\n",
		"JSON":                 "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"},\n\t\"spec\": {\"containers\": [{\"name\": \"app\", \"image\": \"b\", \"env\": [{\"name\": \"A\", \"value\": \"}\"}]\n\t}]}\n}\n",
		"no newline":           "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - env: [{name: A, value: '}'}]\n    name: app\n    image: b",
		"no value":             "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  volumes:\n  containers:\n  - env: [{name: A, value: '}'}]\n    name: app\n    image: b\n    volumeMounts:\n    lifecycle: {}\n",
		"null":                 "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  volumes: null\n  containers:\n  - {env: [{name: A, value: '}'}], name: app, image: b, volumeMounts: null, lifecycle: null}\n",
		"lists to the right":   "apiVersion: v1\nkind: Pod\nmetadata:\n    name: a\nspec:\n    containers:\n        -   name: app\n            image: b\n            env:\n                -   name: A\n                    value: '}'\n",
		"the key on its dash":  "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  -\n    name: app\n    image: b\n    env:\n    -\n      name: A\n      value: '}'\n",
		"a script at the end":  "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: b\n    env: [{name: A, value: '}'}]\n    args:\n    - |\n      # no comment\n      x: [\n\n      end\n\n# the end\n",
		"texts of some lines":  "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: b\n    env: [{name: A, value: '}'}]\n    args: [plain\n      text, \"two\n      lines\", 'it''s\n      ] so']\n",
		"a plain text":         "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: b\n    env: [{name: A, value: '}'}]\n    workingDir: /a\n      b\n    # a comment\n  # another\n  nodeName: x\n",
		"blank lines":          "\n\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n\n  containers:\n\n  - name: app\n\n    image: b\n\n    env:\n    - {name: A, value: '}'}\n\n  nodeName: x\n",
		"other characters":     "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app, image: b, workingDir: '/äöü', env: [{value: '}', name: A}]}]\n  nodeName: x # ü\n",
		"a tag and an anchor":  "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: !!str b\n    env: [{name: A, value: '}'}]\n    args: &args [a]\n    command: *args\n",
		"a document's start":   "# head\n---\n# of the pod\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app, image: b, env: [{name: A, value: '}'}]}]\n---\n",
		"a List":               "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n  spec:\n    containers:\n    - name: app\n      image: b\n      env: [{name: A, value: '}'}]\n- {apiVersion: v1, kind: Service, metadata: {name: b}}\n",
		"CRLF":                 "apiVersion: v1\r\nkind: Pod\r\nmetadata: {name: a}\r\nspec:\r\n  containers:\r\n  - name: app\r\n    image: b\r\n    env:\r\n    - {name: A, value: '}'}\r\n",
		"environment at end":   "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: b\n    env:\n    - name: A\n      value: '}'\n",
		"spec before metadata": "spec:\n  containers:\n  - name: app\n    image: b\n    env:\n    - name: A\n      value: '}'\nkind: Pod\nmetadata: {name: a}\napiVersion: v1\n",
	} {
		t.Run(name, func(t *testing.T) {
			before, err := manifest.Parse(manifest.File{Name: "in", Text: []byte(text)})
			if err != nil {
				t.Fatal(err)
			}
			_, was := onePod(t, before)
			for _, way := range []string{"init", "sidecar"} {
				out, documents := injectedText(t, text, "--image", "x", "--way", way, "--main", "name:app")
				spec, is := onePod(t, documents)
				if is.Name != "app" || is.Image != "b" || !slices.Equal(is.Args, was.Args) || is.WorkingDir != was.WorkingDir ||
					is.Env[0] != (corev1.EnvVar{Name: "A", Value: "}"}) || is.Lifecycle.PreStop == nil || len(spec.InitContainers) != 1 ||
					!slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == configVolume }) {
					t.Errorf("--way %s:\n%s", way, out)
				}
				if strings.Contains(text, "\r\n") && strings.Count(out, "\n") != strings.Count(out, "\r\n") {
					t.Errorf("CRLF is mixed:\n%q", out)
				}
			}
		})
	}
}

// Each workload of some files gets podhook, and everything else stays as it is.
func TestSeveral(t *testing.T) {
	service := "# odd   spacing\napiVersion: v1\nkind: Service\nmetadata:   {name: s}\n"
	second := strings.ReplaceAll(workload(t), "web", "second")
	cron := "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers: [{name: app, image: b}]\n"
	other := strings.Replace(fill("", "", ""), "name: app", "name: other", 1)
	out, documents := injectedText(t, service+"---\n"+workload(t)+"---\n"+second+"---\n"+cron+"---\n"+other, "--image", "x", "--container", "app")
	var names []string
	for _, d := range documents {
		names = append(names, d.String())
	}
	want := []string{"Service/s", "ConfigMap/web-podhook", "Deployment/web", "ConfigMap/second-podhook", "Deployment/second",
		"ConfigMap/c-podhook", "CronJob/c", "Pod/a"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
	if !strings.HasPrefix(out, service) || !strings.HasSuffix(out, other) {
		t.Error("what needs no podhook is changed")
	}
	if c := documents[6].Pod.Spec.Containers[0]; c.ReadinessProbe != nil || c.Lifecycle == nil {
		t.Errorf("a Job serves nobody: %+v", c)
	}
	_, stderr, _ := injectText(t, workload(t)+"---\n"+other, "--image", "x", "--container", "app")
	if !strings.Contains(stderr, "Pod/a is left as it is") {
		t.Errorf("nothing says that a Pod is left out: %q", stderr)
	}
}

// Hooks of the user's own come from a file or a ConfigMap.
func TestGivenHooks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hooks.yaml")
	hooks := "# mine\nhooks:\n  shutdown:\n    steps:\n    - exec: [\"${PROGRAM}\"]\n"
	if err := os.WriteFile(path, []byte(hooks), 0o600); err != nil {
		t.Fatal(err)
	}
	_, documents := injectedText(t, workload(t), "--image", "x", "--config", path)
	if got := documents[0].ConfigMap.Data["podhook.yaml"]; got != hooks {
		t.Errorf("got %q", got)
	}
	out, documents := injectedText(t, workload(t), "--image", "x", "--config-map", "mine")
	if len(documents) != 1 || !strings.Contains(out, "configMap: {name: mine}") {
		t.Errorf("got\n%s", out)
	}
	beside := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web-podhook}\ndata: {podhook.yaml: 'hooks: {}'}\n---\n"
	if out, documents := injectedText(t, beside+workload(t), "--image", "x"); len(documents) != 2 || !strings.HasPrefix(out, beside) {
		t.Errorf("a ConfigMap beside it is not used:\n%s", out)
	}
	if err := os.WriteFile(path, []byte("hooks: {shutdown: {preStop: 1}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, stderr, code := injectText(t, workload(t), "--image", "x", "--config", path); code != exitWrong || out != "" || !strings.Contains(stderr, path+":1") {
		t.Errorf("broken hooks: exit code %d, %q", code, stderr)
	}
}

// A step that was a handler does what the handler did.
func TestStepRuns(t *testing.T) {
	dir := t.TempDir()
	command := `echo "$0 $1 ${HOME:+home} $$" >` + dir + "/out\n"
	text := fill("", "exec:\n          command: [sh, -c, '"+strings.TrimSpace(command)+"', zero, one]", "")
	_, documents := injectedText(t, text, "--image", "x")
	hooks := filepath.Join(dir, "podhook.yaml")
	for _, d := range documents {
		if d.ConfigMap != nil {
			if err := os.WriteFile(hooks, []byte(d.ConfigMap.Data["podhook.yaml"]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.Command(podhookProgram, "shutdown")
	cmd.Env = append(os.Environ(), "HOME=/", "PODHOOK_STATE_DIR="+dir+"/state", "PODHOOK_CONFIG="+hooks, "PODHOOK_GRACE_PERIOD=60s")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(dir + "/out")
	words := strings.Fields(string(got))
	if err != nil || len(words) != 4 || words[0] != "zero" || words[2] != "home" || strings.Trim(words[3], "0123456789") != "" {
		t.Errorf("%v, %q", err, got)
	}
}

// A second container of a Pod has hooks of its own.
func TestSecondContainer(t *testing.T) {
	text := fill("", "exec: {command: [a]}", "") + "  - name: second\n    image: c\n    lifecycle: {preStop: {exec: {command: [b]}}}\n"
	once, _ := injectedText(t, text, "--image", "x", "--container", "app")
	_, documents := injectedText(t, once, "--container", "second")
	if len(documents) != 3 || documents[1].String() != "ConfigMap/a-second-podhook" || !strings.Contains(documents[1].ConfigMap.Data["podhook.yaml"], "exec: [b]") {
		t.Fatalf("%v", documents)
	}
	spec := documents[2].Pod.Spec
	if len(spec.InitContainers) != 1 || len(spec.Volumes) != 3 || spec.Containers[1].VolumeMounts[1].Name != "podhook-config-second" {
		t.Errorf("%+v", spec)
	}
}

// podhook that a person has added stays as it is.
func TestPodhookByHand(t *testing.T) {
	text := strings.Replace(fill("", "exec: {command: [/usr/local/bin/podhook, shutdown]}", ""), "    ports:",
		"    env: [{name: PODHOOK_CONFIG_YAML, value: 'hooks: {}'}, {name: PODHOOK_GRACE_PERIOD, value: 60s}]\n    ports:", 1)
	out, _ := injectedText(t, text)
	if !strings.Contains(out, "exec: {command: [/usr/local/bin/podhook, ready]}") || strings.Contains(out, "podhook-") || removed(t, text, out) != nil {
		t.Errorf("got\n%s", out)
	}
}

// A sidecar of any name is podhook's, and its own handlers are no handlers to keep.
func TestSidecarByHand(t *testing.T) {
	out, _ := injectedText(t, fill("httpGet: {path: /prestart, port: 9000}", "httpGet: {path: /shutdown, port: 9000}", "tcpSocket: {port: 8000}")+
		"  initContainers:\n  - {name: hooks, image: i, restartPolicy: Always, env: [{name: PODHOOK_LISTEN, value: ':9000'}, {name: PODHOOK_CONFIG_YAML, value: 'hooks: {}'}]}\n")
	if strings.Contains(out, "podhook-") || strings.Contains(out, "exec:") {
		t.Errorf("got\n%s", out)
	}
}

// The policy is printed when it is asked for, also later.
func TestNetworkPolicy(t *testing.T) {
	args := []string{"--image", "x", "--way", "sidecar", "--main", "name:web"}
	out, documents := injectedText(t, workload(t), args...)
	if _, stderr, _ := injectText(t, workload(t), args...); len(documents) != 2 || !strings.Contains(stderr, "everybody on the pod network can call hooks at port 8480") {
		t.Errorf("%d documents, %q", len(documents), stderr)
	}
	_, documents = injectedText(t, out, append(args, "--network-policy")...)
	var policy manifest.Document
	for _, d := range documents {
		if d.NetworkPolicy != nil {
			policy = d
		}
	}
	if policy.Name != "web-podhook" || policy.NetworkPolicy.Spec.PodSelector.MatchLabels["app"] != "web" || *policy.NetworkPolicy.Spec.Ingress[0].Ports[0].EndPort != 8479 {
		t.Errorf("%+v", policy.NetworkPolicy)
	}
	if _, stderr, code := injectText(t, fill("", "", ""), append(args, "--network-policy")...); code != exitWrong || !strings.Contains(stderr, "labels") {
		t.Errorf("without labels: exit code %d, %q", code, stderr)
	}
}

// The files of a directory become one text.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml": strings.TrimSpace(workload(t)), "b.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: s}", "c.yml": fill("", "", ""),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	if code := Run(t.Context(), []string{"-f", dir, "--image", "x"}, &out, &errs); code != exitOK {
		t.Fatalf("exit code %d, %s", code, errs.String())
	}
	documents, err := manifest.Parse(manifest.File{Name: "out", Text: out.Bytes()})
	if err != nil || len(documents) != 5 {
		t.Errorf("%v, %d documents in\n%s", err, len(documents), out.String())
	}
}

// podhook run comes before the command. Only a postStart runs prestart beside it.
func TestRunBeforeTheCommand(t *testing.T) {
	command := "    command: [/web, \"a b\"] # starts\n    args: [$(A)]\n"
	for postStart, want := range map[string][]string{
		"":                        {"/podhook", "run", "--", "/web", "a b"},
		"exec: {command: [warm]}": {"/podhook", "run", "--prestart=off", "--", "/web", "a b"},
	} {
		_, documents := injectedText(t, fill(postStart, "", "")+command, "--way", "run")
		_, c := onePod(t, documents)
		if !slices.Equal(c.Command, want) || !slices.Equal(c.Args, []string{"$(A)"}) || (c.Lifecycle.PostStart != nil) != (postStart != "") {
			t.Errorf("postStart %q: %q %q, %+v", postStart, c.Command, c.Args, c.Lifecycle)
		}
	}
}

// What is added is restricted, whatever the Pod is.
func TestAddedContainerIsRestricted(t *testing.T) {
	for pod, want := range map[string]string{
		"":                                    "runAsNonRoot seccompProfile",
		"  securityContext: {runAsUser: 0}\n": "seccompProfile",
		"  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n":                      "",
		"  securityContext: {runAsNonRoot: false}\n  hostNetwork: true\n  automountServiceAccountToken: false\n": "seccompProfile",
	} {
		_, documents := injectedText(t, fill("", "", "")+pod, "--image", "x")
		spec, _ := onePod(t, documents)
		var got []string
		if s := spec.InitContainers[0].SecurityContext; s.RunAsNonRoot != nil {
			got = append(got, "runAsNonRoot")
		}
		if spec.InitContainers[0].SecurityContext.SeccompProfile != nil {
			got = append(got, "seccompProfile")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q", pod, got)
		}
	}
}
