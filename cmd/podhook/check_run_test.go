package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// check finds exactly the programs that a run fails to start.
func TestCheckJudgesAsTheRun(t *testing.T) {
	testutil.Slow(t)
	s := newSandbox(t, "hooks: {}")
	for _, dir := range []string{"bin", "other", "locked"} {
		if err := os.Mkdir(s.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.write("bin/tool", "#!/bin/sh\nexit 0\n", 0o755)
	s.write("bin/denied", "#!/bin/sh\nexit 0\n", 0o644)
	s.write("other/denied", "#!/bin/sh\nexit 0\n", 0o755)
	s.write("other/no-loader", "#!/no/such/sh\n", 0o755)
	s.write("here", "#!/bin/sh\nexit 0\n", 0o755)
	paths := []string{"unset", "PATH=", "PATH=/bin:/usr/bin", "PATH=" + s.path("bin"), "PATH=bin", "PATH=:/bin"}
	steps := []string{
		"exec: [sh, -c, 'exit 0']", "exec: [tool]", "exec: [denied]", "exec: [here]", "exec: [./here]", "exec: [./gone]", "exec: [bin/tool]",
		"{exec: [tool], workingDir: DIR/bin}", "{exec: [./tool], workingDir: DIR/bin}", "{exec: [./tool], workingDir: DIR/other}",
		"{exec: [tool], env: {PATH: DIR/bin}}", "{exec: [sh, -c, 'exit 0'], env: {PATH: DIR/bin}}",
		"{exec: [tool], env: {PATH: .}, workingDir: DIR/bin}", "{exec: [tool], env: {PATH: ''}, workingDir: DIR/bin}",
		"{exec: [tool], env: {PATH: bin}, workingDir: DIR}", "{exec: [denied], env: {PATH: 'DIR/bin:DIR/other'}}",
		"{exec: [no-loader], env: {PATH: DIR/other}}", "{exec: [/bin/true], workingDir: DIR/here}", "{exec: [/bin/true], workingDir: DIR/gone}",
	}
	for _, path := range paths {
		env := without(s.env, "PATH")
		if path != "unset" {
			env = append(env, path)
		}
		yaml := "hooks:\n  own:\n    steps:\n"
		for i, step := range steps {
			if !strings.HasPrefix(step, "{") {
				step = "{" + step + "}"
			}
			yaml += fmt.Sprintf("    - {name: s%d, onFailure: continue, %s\n", i, strings.ReplaceAll(step[1:], "DIR", s.dir))
		}
		s.configure(yaml)
		refused := map[string]string{}
		e := s.in(env, "check", "-o", "json")
		for _, line := range s.findings(e) {
			if rest, ok := strings.CutPrefix(line, "error podhook.yaml hooks.own, step "); ok {
				name, _, _ := strings.Cut(rest, ",")
				refused[name] = line
			}
		}
		s.in(env, "hook", "own", "--force")
		for i, step := range s.record("own").Steps {
			if ran := step.Outcome == "succeeded"; ran != (refused[step.Name] == "") {
				t.Errorf("%s, %s: the run says %q, check says %q", path, steps[i], step.Error, refused[step.Name])
			}
		}
	}
}

// in runs the binary in the sandbox's directory and another environment.
func (s *sandbox) in(env []string, args ...string) ended {
	s.t.Helper()
	cmd := s.command(args...)
	cmd.Dir, cmd.Env = s.dir, env
	return s.begin(cmd).wait(s.t)
}
