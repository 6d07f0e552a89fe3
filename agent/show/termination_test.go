package show

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

func failed(hook string, tail ...string) state.Record {
	start := time.Now().Add(-1234 * time.Millisecond)
	end := start.Add(1234 * time.Millisecond)
	return state.Record{
		Hook: hook, RunID: "00c0ffee00c0ffee", Trigger: state.TriggerExec, Outcome: state.Failed,
		Reason: "step migrate: exited with code 3", Start: start, End: &end,
		Steps: []state.StepRecord{
			{Name: "render", Outcome: state.Succeeded, Tail: []string{"rendered"}},
			{Name: "migrate", Outcome: state.Failed, Tail: tail},
			{Name: "rest", Outcome: state.Skipped},
		},
	}
}

func succeeded(hook string) state.Record {
	rec := failed(hook)
	rec.Outcome, rec.Reason = state.Succeeded, ""
	return rec
}

// message is a termination message in a file, with the warnings about it.
type message struct {
	Termination
	t    *testing.T
	logs bytes.Buffer
}

func newMessage(t *testing.T, path string) *message {
	m := &message{t: t}
	m.Termination = NewTermination(path, slog.New(slog.NewTextHandler(&m.logs, nil)))
	return m
}

// inFile returns a message whose file holds text, as the runtime creates it.
func inFile(t *testing.T, text string) *message {
	path := filepath.Join(t.TempDir(), "termination-log")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return newMessage(t, path)
}

func (m *message) text() string {
	m.t.Helper()
	text, err := os.ReadFile(m.Path)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

func (m *message) is(want string) {
	m.t.Helper()
	if got := m.text(); got != want {
		m.t.Errorf("the message is %q, want %q", got, want)
	}
	if m.logs.Len() > 0 {
		m.t.Errorf("logged: %s", m.logs.String())
	}
}

const prestartFailed = "podhook: hook prestart failed: step migrate: exited with code 3\n" +
	"no table\nbye\n(podhook run 00c0ffee00c0ffee)\n"

func TestMessageSaysWhatFailed(t *testing.T) {
	m := inFile(t, "")
	m.Ended(failed("prestart", "no table", "bye"))
	m.is(prestartFailed)
}

// A step whose failure is ignored may have failed before: its lines are not shown.
func TestMessageIsOfTheStepThatCounts(t *testing.T) {
	m := inFile(t, "")
	rec := failed("prestart", "no table", "bye")
	rec.Steps[0].Outcome = state.Failed
	m.Ended(rec)
	m.is(prestartFailed)
}

func TestMessageOfATimeout(t *testing.T) {
	m := inFile(t, "")
	rec := failed("prestart")
	rec.Outcome, rec.Reason = state.TimedOut, "step wait: timed out after its timeout of 5s"
	m.Ended(rec)
	m.is("podhook: hook prestart timed out: step wait: timed out after its timeout of 5s\n(podhook run 00c0ffee00c0ffee)\n")
}

func TestNewerFailureReplacesTheMessage(t *testing.T) {
	m := inFile(t, "")
	m.Ended(failed("prestart", strings.Repeat("long ", 200)))
	m.Ended(failed("prestart", "no table", "bye"))
	m.is(prestartFailed)
	m.Ended(failed("shutdown"))
	if got := m.text(); !strings.HasPrefix(got, "podhook: hook shutdown failed") || strings.Contains(got, "prestart") {
		t.Errorf("the message is %q, want the newer failure's", got)
	}
}

func TestSuccessTakesTheMessageBack(t *testing.T) {
	m := inFile(t, "")
	m.Ended(failed("prestart", "no table"))
	m.Ended(succeeded("prestart"))
	m.is("")
}

func TestAnotherHooksFailureStays(t *testing.T) {
	m := inFile(t, "")
	m.Ended(failed("prestart", "no table", "bye"))
	m.Ended(succeeded("shutdown"))
	m.Ended(succeeded("pre"))
	m.is(prestartFailed)
}

// longerThanOurs looks like a message of podhook, but is one byte too long.
var longerThanOurs = fmt.Sprintf("%s%s\n(podhook run 1)\n", terminationSign, strings.Repeat("x", terminationLimit-len(terminationSign)-len("\n(podhook run 1)\n")+1))

func TestApplicationsMessageIsLeftAlone(t *testing.T) {
	for _, text := range []string{
		"out of memory\n",
		"\n",
		"podhook",
		prestartFailed + "and the application adds\n",
		prestartFailed + "without a newline",
		"the application begins\n" + prestartFailed,
		strings.Repeat("x", 10000),
		prestartFailed + strings.Repeat("x\n", 3000) + "(podhook run 1)\n",
		longerThanOurs + "more\n",
	} {
		m := inFile(t, text)
		m.Ended(failed("prestart", "no table"))
		m.is(text)
		m.Ended(succeeded("prestart"))
		m.is(text)
	}
}

func TestApplicationWritesBetween(t *testing.T) {
	m := inFile(t, "")
	m.Ended(failed("prestart", "no table", "bye"))
	f, err := os.OpenFile(m.Path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("panic: nil map\n"); err != nil {
		t.Fatal(err)
	}
	m.Ended(succeeded("prestart"))
	m.Ended(failed("shutdown"))
	m.is(prestartFailed + "panic: nil map\n")
}

func TestMessageIsBoundedValidUTF8(t *testing.T) {
	binary := make([]byte, 1024)
	for i := range binary {
		binary[i] = byte(i*7 + i/256)
	}
	alternating := strings.Repeat("\xff\x00", 512)
	for name, rec := range map[string]state.Record{
		"long lines":  failed("prestart", strings.Repeat("é", 3000), strings.Repeat("語", 3000)),
		"binary":      failed("prestart", string(binary), string(binary), string(binary), string(binary), string(binary)),
		"alternating": failed("prestart", alternating, alternating, alternating),
		"many lines":  failed("prestart", strings.Split(strings.Repeat("line\n", 5000), "\n")...),
		"long reason": func() state.Record {
			r := failed("prestart", "x")
			r.Reason = strings.Repeat("語\xff", 5000)
			return r
		}(),
		"exactly fills": failed("prestart", strings.Repeat("x", terminationLimit)),
	} {
		t.Run(name, func(t *testing.T) {
			m := inFile(t, "")
			m.Ended(rec)
			got := m.text()
			if len(got) > 4096 || len(got) < 2000 || !utf8.ValidString(got) {
				t.Errorf("the message has %d bytes, valid UTF-8 %t; want 2000 to 4096", len(got), utf8.ValidString(got))
			}
			if !strings.HasPrefix(got, "podhook: hook prestart failed: ") || !strings.HasSuffix(got, "\n(podhook run 00c0ffee00c0ffee)\n") {
				t.Errorf("the message is %.60q ... %q", got, got[max(0, len(got)-60):])
			}
			m.Ended(succeeded("prestart"))
			m.is("")
		})
	}
}

func TestLastLinesAreKept(t *testing.T) {
	var tail []string
	for i := range 1000 {
		tail = append(tail, fmt.Sprintf("line %d", i))
	}
	m := inFile(t, "")
	m.Ended(failed("prestart", tail...))
	got := m.text()
	if !strings.Contains(got, "\nline 998\nline 999\n(podhook run") || strings.Contains(got, "\nline 1\n") {
		t.Errorf("not the last lines:\n%s", got)
	}
}

// warns asserts one warning, that the message was not written.
func (m *message) warns(want string) {
	m.t.Helper()
	if n := strings.Count(m.logs.String(), "\n"); n != 1 || !strings.Contains(m.logs.String(), "level=WARN msg=\"termination message not written\"") ||
		!strings.Contains(m.logs.String(), want) {
		m.t.Errorf("logged %q, want one warning with %q", m.logs.String(), want)
	}
}

func TestMissingDirectoryIsAWarning(t *testing.T) {
	m := newMessage(t, filepath.Join(t.TempDir(), "none", "termination-log"))
	m.Ended(succeeded("prestart"))
	if m.logs.Len() > 0 {
		t.Errorf("a success logs %s", m.logs.String())
	}
	m.Ended(failed("prestart"))
	m.warns("no such file or directory")
}

func TestReadOnlyFileIsAWarning(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // for the other user to get there
		t.Fatal(err)
	}
	path := filepath.Join(dir, "termination-log")
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	logs := asNobody(t, "termination", path)
	m := &message{t: t}
	m.logs.WriteString(logs)
	m.warns("permission denied")
}

// childTermination ends a run that succeeded, which must log nothing, and then
// one that failed.
func childTermination(path string) {
	m := NewTermination(path, slog.New(slog.NewTextHandler(os.Stdout, nil)))
	m.Ended(succeeded("prestart"))
	m.Ended(failed("prestart"))
}

func TestWhatIsNoFileIsAWarning(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir, "/dev/null"} {
		m := newMessage(t, path)
		quickly(t, func() { m.Ended(failed("prestart")) })
		m.warns(path)
		m = newMessage(t, path)
		quickly(t, func() { m.Ended(succeeded("prestart")) })
	}
}

func TestFileThatIsSetIsMade(t *testing.T) {
	m := newMessage(t, filepath.Join(t.TempDir(), "message"))
	m.Ended(succeeded("prestart"))
	if _, err := os.Stat(m.Path); err == nil {
		t.Error("a success has made the file")
	}
	m.Ended(failed("prestart", "no table", "bye"))
	m.is(prestartFailed)
}

func TestOffWritesNothing(t *testing.T) {
	m := newMessage(t, settings.Off)
	m.Ended(failed("prestart"))
	if m.Path != "" || m.logs.Len() > 0 {
		t.Errorf("path %q, logged %q", m.Path, m.logs.String())
	}
	if _, err := os.Stat(settings.Off); err == nil {
		t.Error("there is a file named off")
	}
}

func TestSummaryIsBounded(t *testing.T) {
	rec := failed("prestart", strings.Repeat("\xff\x00", 2000))
	for name, result := range map[string]hooks.Result{
		"binary":      {Record: rec},
		"many lines":  {Record: failed("prestart", strings.Split(strings.Repeat("some line\n", 5000), "\n")...)},
		"long reason": {Record: func() state.Record { r := failed("a", "b"); r.Reason = strings.Repeat("語", 5000); return r }()},
	} {
		got := Summary(result, SummaryLimit)
		if len(got) > 2048 || len(got) < 1500 || !utf8.ValidString(got) || !strings.HasSuffix(got, "\n") {
			t.Errorf("%s: the summary has %d bytes, valid UTF-8 %t; want nearly 2048", name, len(got), utf8.ValidString(got))
		}
	}
}

func TestSummaryWords(t *testing.T) {
	for _, c := range []struct {
		result hooks.Result
		want   string
	}{
		{hooks.Result{Record: failed("prestart", "no table", "bye")},
			"podhook: hook prestart failed (run 00c0ffee00c0ffee, 3 steps, 1.234s): step migrate: exited with code 3\nno table\nbye\n"},
		{hooks.Result{Record: succeeded("prestart"), Already: true},
			"podhook: hook prestart succeeded already (run 00c0ffee00c0ffee, 3 steps, 1.234s)\n"},
		{hooks.Result{Record: succeeded("prestart"), Joined: true},
			"podhook: hook prestart succeeded in a run that was going on (run 00c0ffee00c0ffee, 3 steps, 1.234s)\n"},
		{hooks.Result{Record: succeeded("prestart"), Bypassed: true},
			"podhook: hook prestart succeeded: bypassed, PODHOOK_DISABLED is true\n"},
	} {
		if got := Summary(c.result, SummaryLimit); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}
