package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// checkOf returns the findings of check, one per line, with the directory of the sandbox
// as DIR.
func (s *sandbox) checkOf(code int, args ...string) []string {
	s.t.Helper()
	e := s.expect(code, append([]string{"check", "-o", "json"}, args...)...)
	return s.findings(e)
}

func (s *sandbox) findings(e ended) (lines []string) {
	s.t.Helper()
	var report checked
	if err := json.Unmarshal([]byte(e.stdout), &report); err != nil {
		s.t.Fatalf("%v in %v", err, e)
	}
	if report.OK != (e.code == 0) {
		s.t.Errorf("ok is %v with exit code %d", report.OK, e.code)
	}
	for _, f := range report.Findings {
		line := f.Severity + " " + filepath.Base(f.File) + " " + f.Field + " " + f.Value + " " + f.Message
		lines = append(lines, strings.ReplaceAll(line, s.dir, "DIR"))
	}
	return lines
}

// found wants findings that begin with these texts, and no others.
func found(t *testing.T, got []string, want ...string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range got {
		ok = ok && strings.HasPrefix(got[i], want[i])
	}
	if !ok {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCheckGood(t *testing.T) {
	s := newSandbox(t, "hooks:\n  prestart:\n    steps:\n    - sleep: 1s\n    - parallel: [{exec: [sh]}, {sleep: 2s}]\n")
	e := s.expect(0, "check")
	contains(t, e.stdout, "is good: 1 hook, 3 steps; state in "+s.path("state"))
	if strings.Contains(e.stdout+e.stderr, "SEVERITY") {
		t.Errorf("a table of nothing: %v", e)
	}
	found(t, s.checkOf(0))
	if _, err := os.Lstat(s.path("state")); !os.IsNotExist(err) {
		t.Errorf("the state directory is left behind: %v", err)
	}
	if err := os.Mkdir(s.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.expect(0, "check")
	if _, err := os.Lstat(s.path("state")); err != nil {
		t.Errorf("a state directory that was there is gone: %v", err)
	}
}

// The forms for people and for GitHub Actions have a line for each finding, and a count.
func TestCheckLines(t *testing.T) {
	s := newSandbox(t, "hooks:\n  prestart:\n    steps:\n    - exec: ['no-such,100%']\n    - signal: HUP\n")
	for form, want := range map[string][]string{
		"table": {
			`error    DIR/podhook.yaml:4: hooks.prestart, step exec-no-such-100-, exec: "no-such,100%": not found in PATH "`,
			"warning  DIR/podhook.yaml:5: hooks.prestart, step signal-HUP: no main process is configured",
			"podhook: 1 error, 1 warning in DIR/podhook.yaml",
		},
		"github": {
			`::error file=DIR/podhook.yaml,line=4::hooks.prestart, step exec-no-such-100-, exec: "no-such,100%25": not found in PATH "`,
			"::warning file=DIR/podhook.yaml,line=5::hooks.prestart, step signal-HUP: no main process is configured",
			"podhook: 1 error, 1 warning in DIR/podhook.yaml",
		},
	} {
		e := s.expect(2, "check", "-o", form)
		lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(e.stdout, s.dir, "DIR")), "\n")
		found(t, lines, want...)
	}
	s.configure("hooks:\n  own: {}\n")
	contains(t, s.expect(0, "check").stdout, "is good: 0 hooks, 0 steps; ", "; 1 warning\n")
}

// A file is checked wherever it lies, with the name that was given.
func TestCheckFile(t *testing.T) {
	s := newSandbox(t, "hooks: {}\n")
	const text = "hooks:\n  shutdown:\n    steps:\n    - {exec: [/no/such/program]}\n    - {exec: [sh], user: no-such-user}\n    - signal: QUIT\n"
	s.write("mine.yaml", text, 0o644)
	check := func(input string, args ...string) ended {
		cmd := s.command(append([]string{"check"}, args...)...)
		cmd.Dir, cmd.Stdin = s.dir, strings.NewReader(input)
		return s.begin(cmd).wait(t)
	}
	for _, args := range [][]string{{"mine.yaml"}, {"--config", "mine.yaml"}, {s.path("mine.yaml")}} {
		e := check("", args...)
		name := args[len(args)-1]
		if e.code != 2 || !strings.Contains(e.stdout, name+":4: hooks.shutdown, step exec-program, exec: \"/no/such/program\": does not exist") ||
			!strings.Contains(e.stdout, "podhook: 2 errors, 1 warning in "+name+"\n") {
			t.Errorf("%q: %v", args, e)
		}
	}
	if e := check(text, "-"); e.code != 2 || !strings.Contains(e.stdout, "stdin:4: hooks.shutdown") {
		t.Errorf("-: %v", e)
	}
	for _, e := range []ended{check("", "mine.yaml", "--syntax", "--run"), check(text, "-", "--syntax", "--run")} {
		if e.code != 0 || !strings.Contains(e.stdout, "is good: 1 hook, 3 steps\n") {
			t.Errorf("--syntax --run: %v", e)
		}
	}
	unset := "hooks:\n  own:\n    steps:\n    - exec: [sh, '${NO_SUCH_VARIABLE}']\n"
	if e := check(unset, "-", "--syntax"); e.code != 0 || !strings.Contains(e.stdout, "warning  stdin:4: ") {
		t.Errorf("--syntax, and a variable of the pod: %v", e)
	}
	if e := check(unset, "-"); e.code != 2 || !strings.Contains(e.stdout, "error    stdin:4: ") {
		t.Errorf("a variable that is not set: %v", e)
	}
	if e := check("", "mine.yaml", "--syntax"); e.code != 0 || !strings.Contains(e.stdout, "podhook run needs none (--run)") {
		t.Errorf("--syntax: %v", e)
	}
	for _, args := range [][]string{{"none.yaml"}, {"-"}, {"mine.yaml", "other.yaml"}} {
		if e := check("", args...); e.code != 2 || e.stdout+e.stderr == "" {
			t.Errorf("%q: %v", args, e)
		}
	}
	away := s.command("check", "../mine.yaml", "--syntax", "--run")
	away.Dir = s.path("elsewhere")
	if err := os.Mkdir(away.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if e := s.begin(away).wait(t); e.code != 0 || !strings.HasPrefix(e.stdout, "podhook: ../mine.yaml is good") {
		t.Errorf("another directory: %v", e)
	}
	if e := check("", "none.yaml", "-o", "github"); !strings.HasPrefix(e.stdout, "::error file=none.yaml::does not exist\n") {
		t.Errorf("no such file: %v", e)
	}
	if e := check("", "-", "-o", "json"); e.code != 2 || !strings.Contains(e.stdout, `"empty; write hooks: {} to have none"`) {
		t.Errorf("an empty input: %v", e)
	}
	if e := check("", ""); e.code != 2 || !strings.Contains(e.stderr, "FILE is empty") {
		t.Errorf("an empty FILE: %v", e)
	}
	if e := check("# nothing yet\n", "-"); e.code != 2 || !strings.Contains(e.stdout, "stdin: empty; write hooks: {} to have none") {
		t.Errorf("an empty text: %v", e)
	}
}

// One call finds the mistakes in settings, in the text, and in what the text names, in the
// order of the file.
func TestCheckFindsAllInOnePass(t *testing.T) {
	s := newSandbox(t, "hooks:\n  prestart:\n    timeout: 5\n    steps:\n    - exec: [/no/such]\n    - slepe: 1s\n    - parallel: [{exec: [/no/other]}, {sleep: x}]\n"+
		"  shutdown:\n    timeout: 5s\n    steps: [{sleep: 3s}, {sleep: 2s}]\n  own:\n    steps: [{scripts: /no/such/own.d}]\n", "PODHOOK_LISTENN=:1", "PODHOOK_GRACE_PERIOD=soon")
	found(t, s.checkOf(2),
		"error . PODHOOK_GRACE_PERIOD  \"soon\": a duration",
		"error . PODHOOK_LISTENN  there is no such setting",
		"error own.d hooks.own, step scripts-own.d  does not exist",
		"error podhook.yaml hooks.prestart.timeout 5 a duration needs a unit: write 5s",
		"error podhook.yaml hooks.prestart, step exec-such, exec /no/such does not exist",
		`error podhook.yaml hooks.prestart.steps[1] slepe no such field, did you mean "sleep"?`,
		"error podhook.yaml hooks.prestart.steps[2].parallel[1].sleep x a duration",
		"error podhook.yaml hooks.prestart, step parallel/exec-other, exec /no/other does not exist",
		"error podhook.yaml hooks.shutdown  can never succeed: 3s sleep + 2s sleep-2 = 5s, and hooks.shutdown.timeout is 5s",
	)
}

// A hook whose sleeps alone take its whole timeout can never succeed; sleeps that may be
// skipped do not count, and those beside each other count once.
func TestCheckHopeless(t *testing.T) {
	s := newSandbox(t, "hooks: {}\n")
	for steps, code := range map[string]int{
		"[{sleep: 5s}]":                                     2,
		"[{sleep: 4999ms}]":                                 0,
		"[{sleep: 3s}, {sleep: 3s}]":                        2,
		"[{parallel: [{sleep: 3s}, {sleep: 3s}]}]":          0,
		"[{parallel: [{sleep: 3s}]}, {sleep: 3s}]":          2,
		"[{sleep: 3s}, {sleep: 3s, when: {podEnds: true}}]": 0,
		"[{sleep: 3s}, {sleep: 3s, once: true}]":            0,
	} {
		s.configure("hooks:\n  own:\n    timeout: 5s\n    steps: " + steps + "\n")
		got := strings.Join(s.checkOf(code), "\n")
		if strings.Contains(got, "can never succeed") != (code == 2) {
			t.Errorf("%s: %s", steps, got)
		}
	}
	s.configure("hooks:\n  own:\n    timeout: 300ms\n    steps: [{sleep: 300ms}]\n")
	s.expect(124, "hook", "own") // as check says
}

// Each row breaks one rule.
func TestCheckRules(t *testing.T) {
	const step = "hooks:\n  shutdown:\n    steps:\n    - "
	tests := []struct {
		name, yaml string
		env        string
		code       int
		want       []string
	}{
		{"syntax", "hooks: [", "", 2, []string{"error podhook.yaml   not valid YAML"}},
		{"names", "hooks:\n  Bad_Name: {}\n", "", 2, []string{"error podhook.yaml hooks Bad_Name a hook's name"}},
		{"types", step + "sleep: 5\n", "", 2, []string{"error podhook.yaml hooks.shutdown.steps[0].sleep 5 a duration"}},
		{"variables", step + "exec: [\"${NO_SUCH_VARIABLE}\"]\n", "", 2, []string{"error podhook.yaml hooks.shutdown.steps[0].exec[0] ${NO_SUCH_VARIABLE}"}},
		{"two mistakes", step + "sleep: 5\n    - sleep: 6\n", "", 2, []string{"error podhook.yaml hooks.shutdown.steps[0].sleep", "error podhook.yaml hooks.shutdown.steps[1].sleep"}},
		{"a script", step + "scripts: /no/such/scripts.d\n", "", 2, []string{"error scripts.d hooks.shutdown, step scripts-scripts.d  does not exist"}},
		{"a setting", "hooks: {}", "PODHOOK_LISTENN=:1", 2, []string{`error . PODHOOK_LISTENN  there is no such setting, did you mean PODHOOK_LISTEN?`}},
		{"a program", step + "exec: [no-such]\n", "", 2, []string{"error podhook.yaml hooks.shutdown, step exec-no-such, exec no-such not found"}},
		{"a volume", "hooks:\n  own:\n    marker: /no/such/volume/x\n    steps: [sleep: 1s]", "", 0, []string{"warning podhook.yaml hooks.own.marker /no/such/volume/x its directory: does not exist"}},
		{"an unused hook", "hooks:\n  preStop: {}", "", 2, []string{"error podhook.yaml hooks preStop"}},
		{"the state", "hooks: {}", "PODHOOK_STATE_DIR=/dev/null/x", 2, []string{"error . state  PODHOOK_STATE_DIR cannot be used: /dev/null/x"}},
		{"the termination log", "hooks: {}", "PODHOOK_TERMINATION_LOG=/no/such/dir/x", 2, []string{"error . PODHOOK_TERMINATION_LOG /no/such/dir/x its directory: does not exist"}},
		{"turned off", "hooks: {}", "PODHOOK_DISABLED=true", 0, []string{"warning . PODHOOK_DISABLED true no hook will be run"}},
		{"no main process", step + "wait: {exit: main}\n      timeout: 1s\n", "", 0, []string{"warning podhook.yaml hooks.shutdown, step wait-exit  no main process is configured: set PODHOOK_MAIN to pid:N, pidfile:PATH, exe:PATH or name:NAME; podhook run needs none"}},
		{"a main process", step + "signal: HUP\n", "PODHOOK_MAIN=pid:1", 0, nil},
		{"a script as the main process", "hooks: {}", "PODHOOK_MAIN=exe:DIR/script", 2, []string{"error . PODHOOK_MAIN exe:DIR/script it is a script, and a script has no exe of its own: its process runs /bin/sh; use name:script or pidfile:PATH"}},
		{"a script to signal", step + "signal: {signal: HUP, to: 'exe:DIR/script'}\n", "", 2, []string{"error podhook.yaml hooks.shutdown, step signal-HUP, signal exe:DIR/script it is a script"}},
		{"a program to signal", step + "signal: {signal: HUP, to: 'exe:/bin/sh'}\n", "PODHOOK_MAIN=exe:/no/such", 0, nil},
		{"podhook's own port", step + "wait: {quiet: {ports: [80, 8123]}}\n      timeout: 9s\n", "PODHOOK_METRICS_LISTEN=127.0.0.1:8123", 2, []string{
			"error podhook.yaml hooks.shutdown, step wait-quiet, wait 8123 is podhook's own port, where kubelet calls until the end; write the port of the application"}},
		{"an address", "hooks: {}", "PODHOOK_LISTEN=192.0.2.1:0", 2, []string{"error . PODHOOK_LISTEN 192.0.2.1:0 listen tcp 192.0.2.1:0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSandbox(t, "")
			s.write("script", "#!/bin/sh\n", 0o755)
			s.configure(strings.ReplaceAll(tt.yaml, "DIR", s.dir))
			s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
			if tt.env != "" {
				name, _, _ := strings.Cut(tt.env, "=")
				s.env = append(without(s.env, name), strings.ReplaceAll(tt.env, "exe:DIR", "exe:"+s.dir))
			}
			found(t, s.checkOf(tt.code), tt.want...)
		})
	}
}

func without(env []string, name string) (rest []string) {
	for _, entry := range env {
		if !strings.HasPrefix(entry, name+"=") {
			rest = append(rest, entry)
		}
	}
	return rest
}

// What does not fit is a warning, and an error where the grace period is given.
func TestCheckBudget(t *testing.T) {
	s := newSandbox(t, "hooks:\n  shutdown:\n    timeout: 20s\n    steps:\n    - {name: a, exec: [sh], timeout: 4s, retries: 2, backoff: 1s}\n    - sleep: 3s\n")
	const sum = "15s a (3 x 4s + 3s pauses) + 3s sleep = 18s"
	found(t, s.checkOf(0))
	found(t, s.checkOf(0, "--grace", "22s"))
	found(t, s.checkOf(2, "--grace", "21s"), "error podhook.yaml hooks.shutdown  longer than the grace period allows: "+sum+" > 21s grace period - 2s margin - 2s to kill = 17s")
	s.env = append(s.env, "PODHOOK_GRACE_PERIOD=21s")
	found(t, s.checkOf(0), "warning podhook.yaml hooks.shutdown  longer than the grace period allows: "+sum)
	found(t, s.checkOf(0, "--grace", "30s"))
	s.configure(strings.ReplaceAll(s.read("podhook.yaml"), "20s", "17s"))
	const over = " podhook.yaml hooks.shutdown  the worst case is longer than the hook may take: " + sum + " > hooks.shutdown.timeout 17s"
	found(t, s.checkOf(0), "warning"+over)
	found(t, s.checkOf(2, "--grace", "1m"), "error"+over)
}

// The example of a CI job works in this repository.
func TestCheckInCI(t *testing.T) {
	m := regexp.MustCompile(`(?m)^  run: podhook (check .*)$`).FindStringSubmatch(page(t, "README.md"))
	if m == nil {
		t.Fatal("README.md has no example for CI")
	}
	s := newSandbox(t, "")
	cmd := s.command(strings.Fields(m[1])...)
	cmd.Dir = "../.."
	if e := s.begin(cmd).wait(t); e.code != 0 || !strings.Contains(e.stdout, "podhook: deploy/docker/podhook.yaml is good: ") {
		t.Errorf("podhook %s: %v", m[1], e)
	}
}

func TestCheckUsage(t *testing.T) {
	s := newSandbox(t, "hooks: {}")
	contains(t, s.expect(2, "check", "--grace", "2s").stderr, "--grace 2s: more than PODHOOK_GRACE_MARGIN (2s) is needed")
	contains(t, s.expect(2, "check", "-o", "yaml").stderr, `-o: "yaml": allowed are table, json and github`)
	contains(t, s.expect(2, "check", "a", "b").stderr, `"b" is one word too many`)
}

// A port of another program is an error; the port of the agent of this instance is not.
func TestCheckPort(t *testing.T) {
	testutil.Slow(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s := newSandbox(t, "hooks: {}", "PODHOOK_LISTEN="+other.Addr().String())
	found(t, s.checkOf(2), "error . PODHOOK_LISTEN "+other.Addr().String()+" listen tcp "+other.Addr().String()+": bind: address already in use")
	other.Close()
	found(t, s.checkOf(0))
	agent := s.start("serve")
	testutil.Eventually(t, "the agent listens", func() bool {
		conn, err := net.Dial("tcp", other.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	found(t, s.checkOf(0))
	agent.signal(t, syscall.SIGKILL)
	agent.wait(t)
}

// A state that is full is known before a hook needs it.
func TestCheckFullState(t *testing.T) {
	testutil.NeedRoot(t, "mount")
	s := newSandbox(t, "hooks: {}")
	if err := os.Mkdir(s.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", s.path("state"), "tmpfs", 0, "size=4k"); err != nil {
		t.Skipf("no mount here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(s.path("state"), syscall.MNT_DETACH) })
	s.write("state/ballast", strings.Repeat("x", 4096), 0o600)
	got := s.checkOf(2)
	found(t, got, "error . state DIR/state ")
	contains(t, strings.Join(got, ""), "no space left")
}

// As root and as somebody else: the same configuration, other rights.
func TestCheckUsers(t *testing.T) {
	testutil.NeedRoot(t, "become another user")
	s := newSandbox(t, "hooks:\n  own:\n    steps:\n    - {name: roots, exec: [DIR/roots]}\n    - {name: wide, exec: [DIR/wide]}\n")
	s.configure(strings.ReplaceAll(s.read("podhook.yaml"), "DIR", s.dir))
	s.write("roots", "#!/bin/sh\n", 0o700)
	s.write("wide", "#!/bin/sh\n", 0o755)
	for path, mode := range map[string]os.FileMode{filepath.Dir(s.dir): 0o755, s.path("wide"): 0o757} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	exposed := "error podhook.yaml hooks.own, step wide, exec DIR/wide every user can change DIR/wide, and root would use it"
	found(t, s.checkOf(2), exposed)

	cmd := exec.Command(s.binary, "check", "-o", "json")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	e := s.begin(cmd).wait(t)
	found(t, s.findings(e), "error . state  PODHOOK_STATE_DIR cannot be used: DIR/state: permission denied",
		"error . PODHOOK_TERMINATION_LOG DIR/termination its directory cannot be written by user 65534",
		"error podhook.yaml hooks.own, step roots, exec DIR/roots not executable for user 65534")

	s.configure(strings.ReplaceAll(s.read("podhook.yaml"), "roots]}", "roots], user: 65534}"))
	found(t, s.checkOf(2), "error podhook.yaml hooks.own, step roots, exec DIR/roots not executable for user 65534", exposed)
	s.env = append(s.env, "PODHOOK_ALLOW_WORLD_WRITABLE=true")
	found(t, s.checkOf(2), "error podhook.yaml hooks.own, step roots, exec DIR/roots not executable for user 65534")
}
