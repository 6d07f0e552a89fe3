package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/podhook/podhook/internal/testutil"
)

// kubelet puts all output of an exec into the status of the pod
// (deploy/kubernetes/kubelet.md), so podhook bounds it.
func TestExecPrintsABoundedSummary(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":       `true`,
		"150 KB":        `i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo "line $i of many that make 150 KB in all, and more"; done`,
		"binary":        `head -c 150000 /dev/urandom`,
		"zero bytes":    `head -c 150000 /dev/zero`,
		"10 MB line":    `head -c 10000000 /dev/zero | tr "\0" x`,
		"invalid UTF-8": `i=0; while [ $i -lt 100 ]; do i=$((i+1)); printf "\377\376\200 %s\n" $i; done`,
		"escapes":       `printf "\033[2J\033]0;title\007 red\n"`,
	} {
		for _, code := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, exit %d", name, code), func(t *testing.T) {
				s := newSandbox(t, fmt.Sprintf("hooks: {prestart: {steps: [{name: print, %s}]}}\n", script(fmt.Sprintf("%s; exit %d", text, code))))
				e := s.expect(code, "prestart")
				testutil.Within(t, e.elapsed, 0, 20*time.Second)
				all := e.stdout + e.stderr
				if len(all) > 2048 || !utf8.ValidString(all) {
					t.Errorf("%d bytes on stdout and stderr, valid UTF-8 %v", len(all), utf8.ValidString(all))
				}
				outcome := map[int]string{0: "succeeded", 1: "failed"}[code]
				contains(t, all, "podhook: hook prestart "+outcome)
				if (code == 0) != (e.stderr == "") || (code == 0) == (e.stdout == "") {
					t.Errorf("code %d and\nstdout %q\nstderr %q", code, e.stdout, e.stderr)
				}
				if rec := s.record("prestart"); string(rec.Outcome) != outcome {
					t.Errorf("recorded as %s", rec.Outcome)
				}
				message := s.read("termination")
				if len(message) > 4096 || !utf8.ValidString(message) || (code == 0) != (message == "") {
					t.Errorf("termination message: %d bytes: %q", len(message), shortened(message))
				}
			})
		}
	}
}

func TestSummaryNamesTheFailingStepAndItsLastLines(t *testing.T) {
	s := newSandbox(t, "hooks: {prestart: {steps: [{name: good, "+script("echo fine")+"}, {name: render, "+
		script("echo early; echo no such template >&2; exit 3")+"}, {name: never, "+script("true")+"}]}}\n")
	e := s.expect(1, "prestart")
	for _, text := range []string{e.stderr, s.read("termination")} {
		contains(t, text, "podhook: hook prestart failed", "step render: exited with code 3", "early\n", "no such template\n")
	}
	if strings.Contains(e.stderr, "fine") {
		t.Errorf("the output of another step is shown: %s", e.stderr)
	}
	if rec := s.record("prestart"); rec.Steps[2].Outcome != "skipped" {
		t.Errorf("the step after it: %+v", rec.Steps[2])
	}
}

// Of the output of the last run, the begin and the end are kept, and the number of bytes
// between.
func TestLogsAreBounded(t *testing.T) {
	const lines, limit = 20000, 8192
	s := newSandbox(t, "hooks: {prestart: {steps: [{name: print, "+
		script(fmt.Sprintf("i=0; while [ $i -lt %d ]; do i=$((i+1)); echo number-$i; done", lines))+"}]}}\n", "PODHOOK_OUTPUT_LIMIT=8KiB")
	s.expect(0, "prestart")
	out := s.expect(0, "logs", "prestart").stdout
	if len(out) > limit+100 || len(out) < limit/2 {
		t.Errorf("%d bytes are kept, the limit is %d", len(out), limit)
	}
	contains(t, out, " print stdout number-1\n", fmt.Sprintf(" print stdout number-%d\n", lines))
	m := regexp.MustCompile(`\[(\d+) bytes omitted\]\n`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("the missing middle is not counted: %s", shortened(out))
	}
	omitted, _ := strconv.Atoi(m[1])
	// Each line is its time, step, stream and text.
	whole := 0
	for i := 1; i <= lines; i++ {
		whole += len("2006-01-02T15:04:05.000Z print stdout number-\n") + len(strconv.Itoa(i))
	}
	if kept := len(out) - len(m[0]); kept+omitted != whole {
		t.Errorf("%d bytes kept and %d omitted are not the %d that were printed", kept, omitted, whole)
	}
	state, err := os.ReadDir(s.path("state/hooks/prestart"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range state {
		if info, err := entry.Info(); err == nil && info.Size() > limit+1024 && entry.Name() != "run.json" {
			t.Errorf("%s has %d bytes", entry.Name(), info.Size())
		}
	}
}

// slowly reads as the log's reader does on a busy node.
type slowly struct{ bytes.Buffer }

func (w *slowly) Write(p []byte) (int, error) {
	time.Sleep(20 * time.Millisecond)
	return w.Buffer.Write(p)
}

// A burst at the end of podhook reaches a log that is read slowly.
func TestLogIsWrittenToItsEnd(t *testing.T) {
	const lines = 1200
	s := newSandbox(t, fmt.Sprintf("hooks: {poststop: {steps: [{name: print, exec: [seq, %d]}]}}\n", lines))
	var log slowly
	cmd := s.command("run", "--", "true")
	cmd.Stdout = &log
	if e := s.begin(cmd).wait(t); e.code != 0 {
		t.Fatal(e)
	}
	if got := strings.Count(log.String(), "step=print"); got != lines {
		t.Errorf("%d lines of %d are in the log", got, lines)
	}
}

// A line of 10 MB is cut and counted, and the lines around it are whole.
func TestALongLineIsCut(t *testing.T) {
	s := newSandbox(t, "hooks: {prestart: {steps: [{name: print, "+
		script(`echo before; head -c 10000000 /dev/zero | tr "\0" x; echo; echo after`)+"}]}}\n", "PODHOOK_OUTPUT_LIMIT=64KiB")
	s.expect(0, "prestart")
	out := s.expect(0, "logs", "prestart").stdout
	contains(t, out, " print stdout before\n", " print stdout after\n")
	m := regexp.MustCompile(`(x+) \[(\d+) bytes cut\]\n`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("the cut is not counted: %s", shortened(out))
	}
	if cut, _ := strconv.Atoi(m[2]); len(m[1])+cut != 10_000_000 {
		t.Errorf("%d bytes are kept and %d counted as cut, want 10000000 in all", len(m[1]), cut)
	}
}

func TestLogsFollow(t *testing.T) {
	s := newSandbox(t, `hooks:
  prestart:
    steps:
    - exec: [sh, -c, 'echo one; until [ -e "$DIR/go" ]; do sleep 0.02; done; echo two; exit 5']
`)
	hook := s.start("prestart")
	testutil.Eventually(t, "the first line is there", func() bool { return strings.Contains(s.run("logs", "prestart").stdout, "one") })
	r, w := pipe(t)
	cmd := s.command("logs", "-f", "prestart")
	cmd.Stdout = w
	follow := s.begin(cmd)
	w.Close()
	buf := make([]byte, 4096)
	n, err := r.Read(buf)
	if err != nil || !strings.HasSuffix(string(buf[:n]), " one\n") {
		t.Fatalf("followed %q, %v", buf[:n], err)
	}
	s.open()
	n, err = r.Read(buf)
	if err != nil || !strings.HasSuffix(string(buf[:n]), " two\n") {
		t.Errorf("followed %q, %v", buf[:n], err)
	}
	if e := follow.wait(t); e.code != 0 {
		t.Error(e)
	}
	if n, err := r.Read(buf); n > 0 || err == nil {
		t.Errorf("after the run's end it prints %q", buf[:n])
	}
	if e := hook.wait(t); e.code != 1 {
		t.Error(e)
	}
}

func TestLogsFollowIsInterrupted(t *testing.T) {
	s := newSandbox(t, strings.Replace(gated, "echo began", "echo waiting; echo began", 1))
	s.start("prestart")
	s.began(1)
	r, w := pipe(t)
	cmd := s.command("logs", "-f", "prestart")
	cmd.Stdout = w
	follow := s.begin(cmd)
	w.Close()
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	follow.signal(t, syscall.SIGTERM)
	if e := follow.wait(t); e.code != 143 {
		t.Error(e)
	}
	s.open()
}

// A caller that has closed its ends does not fail the hook.
func TestClosedStdout(t *testing.T) {
	s := newSandbox(t, countedHooks)
	r, w := pipe(t)
	r.Close()
	cmd := s.command("prestart")
	cmd.Stdout, cmd.Stderr = w, w
	call := s.begin(cmd)
	w.Close()
	if e := call.wait(t); e.code != 0 {
		t.Error(e)
	}
	if rec := s.record("prestart"); rec.Outcome != "succeeded" {
		t.Errorf("recorded as %s", rec.Outcome)
	}
}

// Hundreds of steps that print much still fit into the record.
func TestRecordOfManySteps(t *testing.T) {
	testutil.Slow(t)
	s := newSandbox(t, "")
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	const scripts = 200
	if err := os.Mkdir(s.path("many.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range scripts {
		s.write(fmt.Sprintf("many.d/%03d", i), "#!/bin/sh\nhead -c 4000 /dev/zero\n", 0o755)
	}
	s.configure(fmt.Sprintf("hooks: {prestart: {timeout: 5m, steps: [{scripts: %s}]}}\n", s.path("many.d")))
	s.expect(0, "prestart")
	if rec := s.record("prestart"); len(rec.Steps) != scripts {
		t.Errorf("%d steps are recorded, want %d", len(rec.Steps), scripts)
	}
}
