package show

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// people returns what the form for people writes, without the time of each line.
func people(t *testing.T, tell func(Log)) []string {
	t.Helper()
	var out bytes.Buffer
	tell(Log{Logger: NewLogger(&out, settings.Text)})
	var lines []string
	for line := range strings.Lines(out.String()) {
		clock, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if _, err := time.Parse("15:04:05.000", clock); err != nil || len(clock) != 12 {
			t.Errorf("%q does not begin with a time", line)
		}
		lines = append(lines, rest)
	}
	return lines
}

func TestTextIsForPeople(t *testing.T) {
	say := func(stream process.Stream, text string, trouble bool) hooks.Line {
		return hooks.Line{Hook: "prestart", Step: "a", RunID: "1", Line: process.Line{Stream: stream, Text: []byte(text)}, Trouble: trouble}
	}
	for _, c := range []struct {
		want string
		tell func(Log)
	}{
		{"prestart begins, called by exec", func(l Log) { l.Began(state.Record{Hook: "prestart", Trigger: state.TriggerExec}) }},
		{"prestart/a | rendering", func(l Log) { l.Line(say(process.Stdout, "rendering", false)) }},
		{"prestart/a ! no table", func(l Log) { l.Line(say(process.Stderr, "no table", false)) }},
		{"prestart/a waiting for tcp a:1", func(l Log) { l.Line(say(hooks.Own, "waiting for tcp a:1", false)) }},
		{"WARN prestart/a attempt 1 of 3 failed", func(l Log) { l.Line(say(hooks.Own, "attempt 1 of 3 failed", true)) }},
		{"WARN prestart/a failed: exited with code 75", func(l Log) {
			l.StepEnded("prestart", "1", state.StepRecord{Name: "a", Outcome: state.Failed, Error: "exited with code 75"})
		}},
		{"WARN prestart/a timed out after its timeout of 1s", func(l Log) {
			l.StepEnded("prestart", "1", state.StepRecord{Name: "a", Outcome: state.TimedOut, Error: "timed out after its timeout of 1s"})
		}},
		{"prestart/a skipped: once", func(l Log) {
			l.StepEnded("prestart", "1", state.StepRecord{Name: "a", Outcome: state.Skipped, Error: "once"})
		}},
		{"prestart succeeded after 1.234 s", func(l Log) { l.Ended(succeeded("prestart")) }},
		{"ERROR prestart failed after 1.234 s: step migrate: exited with code 3", func(l Log) { l.Ended(failed("prestart")) }},
		{"main process started: nginx, pid 7", func(l Log) { l.Logger.Info(MainStarted, "program", "nginx", "pid", 7) }},
		{"main process was killed by SIGKILL after 1.5 s", func(l Log) {
			l.Logger.Info(MainEnded, "how", "was killed by SIGKILL", "code", 137, "seconds", 1.5)
		}},
		{"SIGTERM received: shutdown goes on", func(l Log) { l.Logger.Info(StopSignal, "signal", "SIGTERM", "effect", "shutdown goes on") }},
		{"WARN kubelet asked for /shutdwn, which nothing answers, did you mean /shutdown?", func(l Log) {
			l.Logger.Warn(UnknownPath, "caller", "kubelet", "path", "/shutdwn", "hint", "did you mean /shutdown?")
		}},
		{"INFO+2 odd: why (a 1, b x)", func(l Log) {
			l.Logger.With("a", 1).Log(t.Context(), slog.LevelInfo+2, "odd", "b", "x", "error", errors.New("why"))
		}},
		// Braces in a value are no places for other attributes.
		{"prestart/a | {step} [x] {line}", func(l Log) { l.Line(say(process.Stdout, "{step} [x] {line}", false)) }},
		{`prestart/a | a\x0d18:00:00.000 ERROR \x1b[2J` + "\tb\ufffd", func(l Log) {
			l.Line(say(process.Stdout, "a\r18:00:00.000 ERROR \x1b[2J\tb\xff", false))
		}},
	} {
		if got := people(t, c.tell); len(got) != 1 || got[0] != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got := people(t, func(l Log) {
		l.StepEnded("a", "1", state.StepRecord{Outcome: state.Succeeded})
		quiet := Log{Logger: l.Logger, NoEnds: true}
		quiet.Began(state.Record{Hook: "a"})
		quiet.Ended(succeeded("a"))
		l.Logger.Debug("x")
	}); len(got) != 0 {
		t.Errorf("got %q, want nothing", got)
	}
}

// Every message that a phrase words is written with the attributes of the phrase.
func TestPhrasesAreWhole(t *testing.T) {
	for msg, phrase := range phrases() {
		if msg == "" || strings.Count(phrase, "{") != strings.Count(phrase, "}") || strings.Count(phrase, "[") != strings.Count(phrase, "]") {
			t.Errorf("%q: %q", msg, phrase)
		}
	}
}

func TestRareIsRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger, r := NewLogger(&out, settings.Logfmt), &Rare{}
		for range 100 {
			r.Log(logger, slog.LevelWarn, "refused", "path", "/x")
			time.Sleep(199 * time.Millisecond) // 19.9 s in all
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 || strings.Contains(lines[0], "left_out") || !strings.Contains(lines[1], "level=WARN msg=refused path=/x left_out=50") {
			t.Errorf("got\n%s", out.String())
		}
	})
}
