package show

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/process"
)

func TestLogTellsLinesAndRuns(t *testing.T) {
	var out bytes.Buffer
	log := All{Log{Logger: NewLogger(&out, settings.JSON)}}
	rec := failed("prestart")
	log.Line(hooks.Line{Hook: "prestart", Step: "migrate", RunID: "1", Line: process.Line{Stream: process.Stderr, Text: []byte("no\x00 table\xff")}})
	log.Ended(rec)
	log.Ended(succeeded("prestart"))
	var lines []map[string]any
	for line := range strings.Lines(out.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		delete(entry, "time")
		lines = append(lines, entry)
	}
	for i, want := range []map[string]any{
		{"level": "INFO", "msg": "step output", "hook": "prestart", "step": "migrate", "run": "1", "stream": "stderr", "line": "no\x00 table\ufffd"},
		{"level": "ERROR", "msg": "hook ended", "hook": "prestart", "run": "00c0ffee00c0ffee", "trigger": "exec", "outcome": "failed",
			"seconds": 1.234, "steps": 3.0, "reason": "step migrate: exited with code 3"},
		{"level": "INFO", "msg": "hook ended", "hook": "prestart", "run": "00c0ffee00c0ffee", "trigger": "exec", "outcome": "succeeded",
			"seconds": 1.234, "steps": 3.0},
	} {
		if i >= len(lines) {
			t.Fatalf("%d entries:\n%s", len(lines), out.String())
		}
		for key, value := range want {
			if lines[i][key] != value {
				t.Errorf("entry %d: %s is %v, want %v", i, key, lines[i][key], value)
			}
		}
		if len(lines[i]) != len(want) {
			t.Errorf("entry %d is %v, want %v", i, lines[i], want)
		}
	}
	if len(lines) != 3 {
		t.Errorf("%d entries, want 3", len(lines))
	}
}

// A line of a script must not be able to look like an entry of podhook's own.
func TestALineOfAStepStaysOneLine(t *testing.T) {
	for format, prefix := range map[settings.LogFormat]string{
		settings.Text: " a/b | x", settings.Logfmt: `msg="step output" hook=a`, settings.JSON: `"msg":"step output"`,
	} {
		var out bytes.Buffer
		Log{Logger: NewLogger(&out, format)}.Line(hooks.Line{Hook: "a", Step: "b", RunID: "1",
			Line: process.Line{Stream: process.Stdout, Text: []byte("x\rlevel=ERROR msg=\"hook ended\" \x1b[2J"), Dropped: 7}})
		got := out.String()
		if strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r\x1b") || !strings.Contains(got, "[7 bytes cut]") || !strings.Contains(got, prefix) {
			t.Errorf("%s: the entry is %q", format, got)
		}
	}
}

func TestAllTellsEveryObserver(t *testing.T) {
	var first, second bytes.Buffer
	all := All{Log{Logger: NewLogger(&first, settings.Text)}, Log{Logger: NewLogger(&second, settings.Text)}}
	all.Line(hooks.Line{Hook: "a"})
	all.Ended(succeeded("a"))
	if a, b := strings.Count(first.String(), "\n"), strings.Count(second.String(), "\n"); a != 2 || b != 2 {
		t.Errorf("the observers were told %d and %d things, want 2 each", a, b)
	}
}
