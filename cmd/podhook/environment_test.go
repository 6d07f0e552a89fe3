package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// A step gets the environment of the container, its own variables, and those that
// describe the run. Each name occurs once.
func TestEnvironmentOfSteps(t *testing.T) {
	s := newSandbox(t, `hooks:
  prestart:
    timeout: 50s
    steps:
    - name: show
      timeout: 20s
      env: {MODE: step, EMPTY: "", PODHOOK_LOG_FORMAT: json}
      exec: [sh, -c, 'env -0 >"$DIR/environ"']
`, "MODE=container", "KEPT=as it is", "PODHOOK_RUN_ID=another", "PODHOOK_STEP=another", "PODHOOK_LOG_FORMAT=text")
	began := time.Now()
	s.expect(0, "prestart")
	rec := s.record("prestart")
	got := map[string]string{}
	for entry := range strings.SplitSeq(strings.TrimSuffix(s.read("environ"), "\x00"), "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		if _, twice := got[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		got[name] = value
	}
	for name, want := range map[string]string{
		"MODE": "step", "EMPTY": "", "KEPT": "as it is", "PODHOOK_LOG_FORMAT": "json",
		"PODHOOK_HOOK": "prestart", "PODHOOK_STEP": "show", "PODHOOK_RUN_ID": rec.RunID,
		"PODHOOK_ATTEMPT": "1", "PODHOOK_TRIGGER": "exec",
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s=%q, want %q", name, value, want)
		}
	}
	deadline, err := time.Parse(time.RFC3339, got["PODHOOK_DEADLINE"])
	if err != nil {
		t.Fatal(err)
	}
	// The step's own timeout comes before the hook's.
	testutil.Within(t, deadline.Sub(began), 18*time.Second, 35*time.Second)
}

// A step finds /dev/null on its stdin, no descriptor of podhook's, the limits
// that podhook itself was started with, and a process group of its own.
func TestStepInheritsNothingOfPodhook(t *testing.T) {
	s := newSandbox(t, `hooks:
  prestart:
    steps:
    - name: look
      exec: [sh, -c, 'readlink /proc/self/fd/0; ls /proc/self/fd | tr "\n" " "; echo; ulimit -Sn; ulimit -Hn; grep -E "^Sig(Ign|Blk)" /proc/self/status; cut -d" " -f5 /proc/$$$$/stat; echo $$$$']
`)
	const soft, hard = 333, 4444
	// Descriptors that the test itself was started with go through, as they do
	// through any program.
	plain, err := exec.Command("sh", "-c", `ls /proc/self/fd | tr "\n" " "`).Output()
	if err != nil {
		t.Fatal(err)
	}
	// So do ignored signals: under make(1), glibc's posix_spawn(3) leaves one.
	ignored, err := exec.Command("sh", "-c", `grep ^SigIgn /proc/self/status`).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, trigger := range []string{"exec", "http"} {
		words := []string{"prestart", "--force"}
		if trigger == "http" {
			words = []string{"serve"}
			s.env = append(s.env, "PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_TOKEN="+token)
		}
		limit := fmt.Sprintf(`ulimit -Sn %d; ulimit -Hn %d; exec "$@"`, soft, hard)
		cmd := exec.Command("sh", append([]string{"-c", limit, "sh", s.binary}, words...)...)
		if trigger == "http" {
			r, w := pipe(t)
			cmd.Stdout = w
			s.begin(cmd)
			w.Close()
			if a, err := get(listening(t, r), "/prestart?force=true"); err != nil || a.Outcome != "succeeded" {
				t.Fatalf("%+v, %v", a, err)
			}
		} else if e := s.begin(cmd).wait(t); e.code != 0 {
			t.Fatal(e)
		}
		var lines []string
		for line := range strings.Lines(s.expect(0, "logs", "prestart").stdout) {
			_, text, _ := strings.Cut(line, " look stdout ")
			lines = append(lines, strings.TrimSpace(text))
		}
		if len(lines) != 8 {
			t.Fatalf("%s: %q", trigger, lines)
		}
		want := []string{"/dev/null", strings.TrimSpace(string(plain)), fmt.Sprint(soft), fmt.Sprint(hard), "SigBlk:\t0000000000000000", strings.TrimSpace(string(ignored)), lines[7]}
		if !slices.Equal(lines[:7], want) {
			t.Errorf("%s: a step sees %q, want %q", trigger, lines[:7], want)
		}
	}
}

// A hook that a step of another hook calls is a run of its own.
func TestHookCalledByAStep(t *testing.T) {
	s := newSandbox(t, "")
	s.configure(fmt.Sprintf(`hooks:
  prestart:
    steps:
    - exec: [%q, hook, inner]
  inner:
    steps:
    - exec: [sh, -c, 'echo $PODHOOK_HOOK $PODHOOK_RUN_ID >>"$DIR/ran"; sleep 1000 &']
`, s.binary))
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	e := s.expect(0, "prestart")
	testutil.Within(t, e.elapsed, 0, 20*time.Second)
	inner, outer := s.record("inner"), s.record("prestart")
	if got, want := s.read("ran"), "inner "+inner.RunID+"\n"; got != want || inner.RunID == outer.RunID {
		t.Errorf("ran %q, want %q", got, want)
	}
	testutil.Eventually(t, "its background process lives", func() bool { return s.count("sleep 1000") == 1 })
}

// A terminal that hangs up ends the hook that was called there:
// SIGHUP is a stop signal.
func TestHangUp(t *testing.T) {
	s := newSandbox(t, gated)
	call := s.start("prestart")
	s.began(1)
	call.signal(t, syscall.SIGHUP)
	if e := call.wait(t); e.code != 129 {
		t.Errorf("%v, want code 129", e)
	}
	s.gone()
}
