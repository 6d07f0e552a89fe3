// Package ci holds jobs for the CI of other repositories.
package ci

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/podhook/podhook/internal/testutil"
)

// commands returns the command lines of both jobs by their file, without those that install.
func commands(t *testing.T) map[string][]string {
	t.Helper()
	var github struct {
		Jobs map[string]struct {
			Steps []struct{ Run string }
		}
	}
	var gitlab map[string]struct {
		BeforeScript []string `yaml:"before_script"`
		Script       []string
	}
	for file, to := range map[string]any{"github.yml": &github, "gitlab.yml": &gitlab} {
		text, err := os.ReadFile(file)
		if err == nil {
			err = yaml.Unmarshal(text, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	found := map[string][]string{}
	for _, job := range github.Jobs {
		for _, step := range job.Steps {
			found["github.yml"] = append(found["github.yml"], step.Run)
		}
	}
	for _, job := range gitlab {
		found["gitlab.yml"] = append(append(found["gitlab.yml"], job.BeforeScript...), job.Script...)
	}
	for file, lines := range found {
		var kept []string
		for _, line := range lines {
			if strings.HasPrefix(line, "go install ") {
				checkInstall(t, line)
			} else if line != "" {
				kept = append(kept, line)
			}
		}
		found[file] = kept
	}
	return found
}

// checkInstall checks that the packages of go install are programs of this module.
func checkInstall(t *testing.T, line string) {
	t.Helper()
	for _, name := range strings.Fields(line)[2:] {
		name, _, _ = strings.Cut(name, "@")
		out, err := exec.Command("go", "list", "-f", "{{.Name}}", name).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "main" {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}

// checkout copies the example into a directory of its own.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("example")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// environment has the binaries of `make build`, which `make test` builds first, in PATH.
// Without kubectl a script stands for it that finds plugins in the same way.
func environment(t *testing.T) []string {
	t.Helper()
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"podhook", "kubectl-podhook"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			t.Fatalf("%v: run make build", err)
		}
	}
	path := bin + ":" + os.Getenv("PATH")
	if _, err := exec.LookPath("kubectl"); err != nil {
		dir := t.TempDir()
		script := "#!/bin/sh\nplugin=$1\nshift\nexec \"kubectl-$plugin\" \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		path += ":" + dir
	}
	return append(os.Environ(), "PATH="+path, "TMPDIR="+t.TempDir())
}

// run runs a command line as both services do: in a shell that ends at the first failure.
func run(dir string, env []string, line string) (string, error) {
	cmd := exec.Command("bash", "-eo", "pipefail", "-c", line)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Every command line of both jobs succeeds on the example, and each tool is among them.
func TestCommandLines(t *testing.T) {
	testutil.Slow(t)
	env := environment(t)
	for file, lines := range commands(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			dir := checkout(t)
			all := strings.Join(lines, "\n")
			for _, tool := range []string{"podhook check ", "podhook lint ", "podhook rehearse "} {
				if !strings.Contains(all, tool) {
					t.Errorf("no line has %q", tool)
				}
			}
			for _, line := range lines {
				if out, err := run(dir, env, line); err != nil {
					t.Errorf("%s: %v\n%s", line, err, out)
				}
			}
		})
	}
}

// The jobs fail where a repository is wrong: each line that looks at the broken file.
func TestCommandLinesFindMistakes(t *testing.T) {
	testutil.Slow(t)
	env := environment(t)
	for name, broken := range map[string]struct{ file, old, new, tools string }{
		"hooks":   {"podhook.yaml", "- sleep: 2s", "- slep: 2s", `podhook (check|lint|rehearse) `},
		"grace":   {"k8s/web.yaml", "terminationGracePeriodSeconds: 30\n", "terminationGracePeriodSeconds: 5\n", `podhook lint `},
		"program": {"web", "exit 0", "exit 3", `podhook rehearse `},
		"prestop": {"k8s/web.yaml", "[podhook, shutdown]", "[podhook, hook, preStop]", `podhook (lint|rehearse) `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := checkout(t)
			file := filepath.Join(dir, broken.file)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(text), broken.old, broken.new, 1)
			if changed == string(text) {
				t.Fatalf("%s has no %q", broken.file, broken.old)
			}
			if err := os.WriteFile(file, []byte(changed), 0o755); err != nil {
				t.Fatal(err)
			}
			for _, line := range commands(t)["github.yml"] {
				line = strings.Replace(line, "--scenario all", "--scenario delete", 1) // which finds them, a minute earlier
				out, err := run(dir, env, line)
				if want := regexp.MustCompile(broken.tools).MatchString(line); (err != nil) != want {
					t.Errorf("%s: %v, want a failure: %v\n%s", line, err, want, out)
				}
			}
		})
	}
}
