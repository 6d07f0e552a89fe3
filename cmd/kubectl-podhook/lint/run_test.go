package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExitCodes(t *testing.T) {
	warns, _ := bad(t, "exec", []string{`value: 30s}`, `value: 25s} # bad`})
	fails, _ := bad(t, "exec", []string{`- sleep: 5s`, `- slep: 5s # bad`})
	for _, c := range []struct {
		name, text string
		args       []string
		code       int
		says       string
	}{
		{"warning", warns, nil, exitClean, "0 errors, 1 warning in 1 pod"},
		{"strict warning", warns, []string{"--strict"}, exitFindings, "[grace-period-short]"},
		{"disabled rule", warns, []string{"--strict", "--disable", "grace-period-short,hooks"}, exitClean, "0 warnings"},
		{"error", fails, nil, exitFindings, "1 error"},
		{"no such rule", warns, []string{"--disable", "grace"}, exitUsage, "--disable grace"},
		{"no such form", warns, []string{"-o", "xml"}, exitUsage, "text, json, github, sarif"},
		{"bad version", warns, []string{"--kubernetes", "latest"}, exitUsage, "a version such as 1.34"},
		{"a word", warns, []string{"pod.yaml"}, exitUsage, "files follow -f"},
		{"no pod", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", nil, exitUsage, "no Pod"},
		{"misspelt field", strings.Replace(warns, "preStop:", "prestop:", 1), nil, exitUsage, "prestop"},
	} {
		var out bytes.Buffer
		code, err := run(append([]string{"-f", "-"}, c.args...), strings.NewReader(c.text), &out)
		said := out.String()
		if err != nil {
			said += err.Error()
		}
		if code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("%s: exit code %d, want %d: %q does not say %q", c.name, code, c.code, said, c.says)
		}
	}
	if code, err := run(nil, nil, &bytes.Buffer{}); code != exitUsage || err == nil {
		t.Errorf("without -f: exit code %d, %v", code, err)
	}
}

// written writes a bad manifest, and returns what lint prints about it in a form.
func written(t *testing.T, form string) (file string, line int, out string) {
	t.Helper()
	text, lines := bad(t, "exec", []string{`- sleep: 5s`, `- slep: 5s # bad`})
	file = filepath.Join(t.TempDir(), "a b,c.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if code, err := run([]string{"-f", file, "-o", form}, nil, &b); code != exitFindings || err != nil {
		t.Fatalf("exit code %d, %v", code, err)
	}
	return file, lines[0], b.String()
}

func TestAnnotation(t *testing.T) {
	file, line, out := written(t, "github")
	want := fmt.Sprintf("::error file=%s,line=%d,title=hooks::hooks.shutdown.steps[0]: ", strings.ReplaceAll(file, ",", "%2C"), line)
	if !strings.HasPrefix(out, want) {
		t.Errorf("%q, want %q", out, want)
	}
}

// SARIF has the properties that GitHub's code scanning needs.
func TestSARIF(t *testing.T) {
	_, line, out := written(t, "sarif")
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID                   string
						ShortDescription     struct{ Text string }
						HelpURI              string
						DefaultConfiguration struct{ Level string }
					}
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex *int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || !strings.Contains(log.Schema, "sarif-2.1.0") || len(log.Runs) != 1 {
		t.Fatalf("version %q, schema %q, %d runs", log.Version, log.Schema, len(log.Runs))
	}
	driver, results := log.Runs[0].Tool.Driver, log.Runs[0].Results
	if driver.Name == "" || len(driver.Rules) != len(allRules()) {
		t.Errorf("driver %q with %d rules", driver.Name, len(driver.Rules))
	}
	for _, r := range driver.Rules {
		level := r.DefaultConfiguration.Level
		if r.ID == "" || r.ShortDescription.Text == "" || r.HelpURI == "" || level != "error" && level != "warning" {
			t.Errorf("rule %+v", r)
		}
	}
	if len(results) != 1 || len(results[0].Locations) != 1 {
		t.Fatalf("%+v", results)
	}
	r := results[0]
	at := r.Locations[0].PhysicalLocation
	if r.RuleID != "hooks" || r.RuleIndex == nil || driver.Rules[*r.RuleIndex].ID != "hooks" || r.Level != "error" || r.Message.Text == "" {
		t.Errorf("%+v", r)
	}
	if !strings.HasSuffix(at.ArtifactLocation.URI, "/a%20b,c.yaml") || at.Region.StartLine != line {
		t.Errorf("%+v, want line %d", at, line)
	}
}

// No finding shows a token, and lint changes nothing in its own environment.
func TestSecretsAndEnvironment(t *testing.T) {
	t.Setenv("PODHOOK_GRACE_PERIOD", "nonsense")
	text, _ := bad(t, "run", []string{"- {name: X-Podhook-Token, value: 0123456789abcdef}", "- {name: X-Podhook-Token, value: wrong-wrong-wrong} # bad",
		"value: 0123456789abcdef}", "value: \"s3cret s3cret\"}"})
	r, _ := lintText(t, text)
	if len(r.Findings) == 0 {
		t.Error("nothing was found")
	}
	for _, f := range r.Findings {
		if all := f.Value + f.Message + f.Field; strings.Contains(all, "s3cret") || strings.Contains(all, "wrong-wrong") {
			t.Errorf("a token is shown: %+v", f)
		}
	}
	if os.Getenv("PODHOOK_GRACE_PERIOD") != "nonsense" || os.Getenv("PODHOOK_TOKEN") != "" {
		t.Error("the environment was changed")
	}
}

// The kinds of workloads, and values from elsewhere.
func TestSources(t *testing.T) {
	for name, change := range map[string][]string{
		"ConfigMap by key": {"value: |\n        hooks:\n          shutdown:\n            timeout: 50s\n            marker: /state/down\n            steps:\n            - sleep: 5s\n            - wait: {connections: {port: 8000}}\n              timeout: 44s\n",
			"valueFrom: {configMapKeyRef: {name: hooks, key: yaml}}\n",
			"apiVersion: v1\nkind: Pod", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hooks}\ndata:\n  yaml: |\n    hooks:\n      shutdown:\n        steps:\n        - slep: 5s # bad\n---\napiVersion: v1\nkind: Pod"},
		"ConfigMap as envFrom": {"    - {name: PODHOOK_GRACE_PERIOD, value: 60s}\n", "", "    env:\n", "    envFrom: [{configMapRef: {name: env}}]\n    env: # bad\n",
			"apiVersion: v1\nkind: Pod", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: env}\ndata: {PODHOOK_GRACE_PERIOD: 70s}\n---\napiVersion: v1\nkind: Pod"},
		"reference": {"value: 60s}", "value: $(PERIOD)} # bad", "    env:\n", "    env:\n    - {name: PERIOD, value: 70s}\n"},
	} {
		text, lines := bad(t, "run", change)
		r, _ := lintText(t, text)
		if len(r.Findings) != 1 || r.Findings[0].Line != lines[0] {
			t.Errorf("%s: %+v, want one in line %d", name, r.Findings, lines[0])
		}
	}
	// What a Secret may set is not guessed.
	text, _ := bad(t, "run", []string{"    - {name: PODHOOK_GRACE_PERIOD, value: 60s}\n", "", "    env:\n", "    envFrom: [{secretRef: {name: env}}]\n    env: # bad\n"})
	if r, _ := lintText(t, text); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// --hooks stands for hooks that the input does not have. Their problems have the lines of that
// file.
func TestHooksOfTheImage(t *testing.T) {
	text, _ := bad(t, "exec", []string{"configMap: {name: hooks}", "emptyDir: {} # bad"})
	file := filepath.Join(t.TempDir(), "podhook.yaml")
	if err := os.WriteFile(file, []byte("hooks:\n  shutdown:\n    steps:\n    - slep: 5s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, code := lintText(t, text, "--hooks", file)
	if code != exitFindings || len(r.Findings) != 1 || r.Findings[0].File != file || r.Findings[0].Line != 4 {
		t.Errorf("exit code %d, %+v", code, r.Findings)
	}
}

// What a cluster has by its version or its gates is no finding.
func TestVersionsAndGates(t *testing.T) {
	image, _ := bad(t, "exec", []string{"      - name: bin\n        emptyDir: {}", "      - name: bin\n        image: {reference: \"registry.example/podhook:v1\"} # bad"})
	signal, _ := bad(t, "run", []string{"    lifecycle:\n", "    lifecycle:\n      stopSignal: SIGTERM # bad\n"})
	for _, c := range []struct {
		text string
		args []string
	}{
		{image, nil}, {image, []string{"--kubernetes", "1.35"}}, {image, []string{"--kubernetes", "1.34", "--gate", "ImageVolume"}},
		{signal, []string{"--gate", "ContainerStopSignals"}},
	} {
		if r, _ := lintText(t, c.text, c.args...); len(r.Findings) > 0 {
			t.Errorf("%q: %+v", c.args, r.Findings)
		}
	}
}

// A drain that ends by what the kernel knows may have a slow readiness probe.
func TestQuietNeedsNoQuickReadiness(t *testing.T) {
	text, _ := bad(t, "exec", []string{"- sleep: 5s", "- wait: {quiet: {port: 8000}} # bad\n          timeout: 8s", "failureThreshold: 1", "failureThreshold: 3"})
	if r, _ := lintText(t, text); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// A container that only uses podhook for its small commands has no hooks to check.
func TestSmallCommandsNeedNoGracePeriod(t *testing.T) {
	text := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  terminationGracePeriodSeconds: 10\n  containers:\n" +
		"  - name: app\n    image: web\n    lifecycle: {preStop: {exec: {command: [/podhook, sleep, 5s]}}}\n"
	if r, _ := lintText(t, text, "--disable", "restricted"); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
}

// Whatever the input is, lint does not panic, and each finding has a line of the input.
func FuzzLint(f *testing.F) {
	for _, base := range []string{"exec", "sidecar", "run"} {
		text, err := os.ReadFile(filepath.Join("testdata", base+".yaml"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		var out bytes.Buffer
		code, err := run([]string{"-f", "-", "-o", "json"}, strings.NewReader(text), &out)
		if err != nil {
			return
		}
		var r result
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		for _, found := range r.Findings {
			if found.Line < 1 || found.Line > strings.Count(text, "\n")+1 || found.Rule == "" || found.Message == "" {
				t.Errorf("exit code %d, %+v", code, found)
			}
		}
	})
}
