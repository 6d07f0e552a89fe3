package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// lastLine is the last line of a log, which must be the only one that tells of the end.
func lastLine(t *testing.T, log, sign string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	last := lines[len(lines)-1]
	if !strings.Contains(last, sign) || strings.Count(log, sign) != 1 || len(last) > 2000 {
		t.Errorf("the last line is %q, of\n%s", last, log)
	}
	return last
}

const stopsItself = "kill -TERM $PPID; exec sleep 100"

// The last line of a log has what became of the container, in each format.
func TestLastLineHasTheFigures(t *testing.T) {
	yaml := "hooks: {prestart: {steps: [{sleep: 10ms}]}, shutdown: {steps: [{exec: ['false']}]}, unused: {steps: [{sleep: 1ms}]}}"
	logged := func(format string) string {
		s := newSandbox(t, yaml, "PODHOOK_LOG_FORMAT="+format)
		e := s.start("run", "--", "sh", "-c", stopsItself).wait(t)
		if e.code != 143 {
			t.Fatal(e)
		}
		return e.stdout
	}
	text := lastLine(t, logged("text"), "podhook ends")
	if !regexp.MustCompile(`^[0-9:.]+ podhook ends, exit code 143, stopped in [0-9.]+ s, shutdown failed after [0-9.]+ s, runs \[prestart=1 shutdown=1\], failed \[shutdown=1\]$`).MatchString(text) {
		t.Error(text)
	}
	contains(t, lastLine(t, logged("logfmt"), "msg=figures"), " code=143 ", " start_delay_seconds=0.", " stop_seconds=", " shutdown=failed ", " shutdown_seconds=",
		" runs.prestart=1 runs.shutdown=1 failures.shutdown=1")
	var got struct {
		Code               *int
		Shutdown           string
		Start, Stop, Drain *float64
		Runs, Failures     map[string]int
	}
	line := lastLine(t, logged("json"), `"msg":"figures"`)
	line = strings.NewReplacer("start_delay_seconds", "start", "stop_seconds", "stop", "shutdown_seconds", "drain").Replace(line)
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	if got.Code == nil || *got.Code != 143 || got.Shutdown != "failed" || got.Start == nil || got.Stop == nil || got.Drain == nil ||
		fmt.Sprint(got.Runs, got.Failures) != "map[prestart:1 shutdown:1] map[shutdown:1]" {
		t.Errorf("%s", line)
	}
}

// The agent alone, and a main process that was never started, have a last line too.
func TestLastLineWithoutAMainProcess(t *testing.T) {
	s := newSandbox(t, "hooks: {shutdown: {steps: [{sleep: 1ms}]}}", "PODHOOK_LISTEN=127.0.0.1:0")
	call, _ := s.logging()
	call.signal(t, syscall.SIGTERM)
	e := call.wait(t)
	if last := lastLine(t, s.read("log"), "msg=figures"); !regexp.MustCompile(` msg=figures shutdown=succeeded shutdown_seconds=[0-9.e-]+ runs.shutdown=1$`).MatchString(last) {
		t.Errorf("%s in %v", last, e)
	}
	s = newSandbox(t, "hooks: {prestart: {steps: [{exec: ['false']}]}}", "PODHOOK_LOG_FORMAT=text")
	e = s.start("run", "--", "true").wait(t)
	if last := lastLine(t, e.stdout, "podhook ends"); !strings.HasSuffix(last, "podhook ends, runs [prestart=1], failed [prestart=1]") {
		t.Errorf("%s", last)
	}
}

// Many hooks do not make the last line long.
func TestLastLineIsBounded(t *testing.T) {
	yaml, calls := "hooks:\n", ""
	for i := range 15 {
		name := fmt.Sprintf("%s-%02d", strings.Repeat("long", 15), i)
		yaml += fmt.Sprintf("  %s: {steps: [{exec: ['false']}]}\n", name)
		calls += `"$PODHOOK_BINARY" hook ` + name + ` >/dev/null 2>&1; `
	}
	s := newSandbox(t, yaml, "PODHOOK_LOG_FORMAT=text")
	e := s.start("run", "--", "sh", "-c", strings.ReplaceAll(calls, "$PODHOOK_BINARY", s.binary)).wait(t)
	if last := lastLine(t, e.stdout, "podhook ends"); strings.Count(last, "=1") != 2*10 {
		t.Errorf("%s", last)
	}
}
