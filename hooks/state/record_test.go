package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// fullRecord has a value in every field.
func fullRecord() Record {
	end, code := testTime.Add(time.Second), 3
	r := Record{
		RunID: "r1", Trigger: TriggerExec, Start: testTime, StartTicks: 4711, Boot: "b", End: &end,
		Outcome: Failed, Deadline: testTime.Add(time.Minute), PID: 42, Reason: "step b: exit code 3",
		ConfigSource: "/etc/podhook/podhook.yaml",
		Main:         &MainIdentity{PID: 7, StartTime: 12345}, For: &ContainerStart{ID: "c", PID: 5, Began: 12000}, Unclean: true, StopReason: StopEvicted,
		Steps: []StepRecord{
			{Name: "a", Kind: "exec", Outcome: Succeeded, Start: &end, End: &end, Attempt: 1, Once: true},
			{Name: "b", Kind: "exec", Outcome: Failed, Start: &end, End: &end, ExitCode: &code, Signal: "SIGKILL",
				Attempt: 2, Error: "x", Waiting: "y", Tail: []string{"one", "two"}},
			{Name: "c"},
		},
	}
	r.Totals.AddRun(Succeeded, 0.2, end)
	r.Totals.AddStep(Succeeded, 0.1)
	r.Totals.AddKills("SIGTERM", 1)
	r.Totals.AddSignal("SIGQUIT")
	return r
}

func normal(t *testing.T, r Record) string {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRecordComesBackWhole(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	if _, ok, err := h.Read(); ok || err != nil {
		t.Fatalf("before the first run: %v, %v", ok, err)
	}
	l := mustLock(t, h)
	want := fullRecord()
	v := reflect.ValueOf(want)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Version" && name != "Hook" && name != "Instance" {
			t.Fatalf("fullRecord lacks %s", name)
		}
	}
	mustWrite(t, l, want)
	_ = l.Unlock()
	want.Version, want.Hook, want.Instance = 1, "prestart", s.Instance().ID
	for range 2 {
		if got := mustRead(t, h); normal(t, got) != normal(t, want) {
			t.Errorf("got  %s\nwant %s", normal(t, got), normal(t, want))
		}
	}
	if m := mode(t, h.path()); m != 0o600 {
		t.Errorf("mode %v", m)
	}
	if m := mode(t, h.dir); m.Perm() != 0o700 {
		t.Errorf("mode of the directory %v", m)
	}
}

func TestRecordKeys(t *testing.T) {
	h := testStore(t, Options{}).Hook("prestart")
	l := mustLock(t, h)
	defer l.Unlock()
	mustWrite(t, l, fullRecord())
	data, err := os.ReadFile(h.path())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"version":1`, `"runID":"r1"`, `"hook":"prestart"`, `"configSource"`, `"exitCode":3`, `"startTime":12345`, `"runSeconds"`, `"lastSuccess"`, `"outcome":"failed"`, `"trigger":"exec"`} {
		if !strings.Contains(string(data), key) {
			t.Errorf("%s lacks %s", data, key)
		}
	}
}

func TestRunningWithoutAnOwnerIsInterrupted(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	l := mustLock(t, h)
	r := Record{RunID: "r1", Outcome: Running, PID: 99, Steps: []StepRecord{
		{Name: "a", Outcome: Succeeded, Once: true}, {Name: "b", Outcome: Running, Waiting: "tcp"}, {Name: "c"},
	}}
	r.Totals.AddRun(Succeeded, 1, testTime)
	mustWrite(t, l, r)
	if got := mustRead(t, h); got.Outcome != Running || got.Steps[1].Outcome != Running {
		t.Errorf("while it runs: %+v", got)
	}
	_ = l.Unlock()
	for range 2 { // seen once or twice, it is counted once
		got := mustRead(t, h)
		if got.Outcome != Interrupted || !strings.Contains(got.Reason, "99") {
			t.Errorf("outcome %q, reason %q", got.Outcome, got.Reason)
		}
		if s := got.Steps; s[0].Outcome != Succeeded || s[1].Outcome != Interrupted || s[1].Waiting != "" || s[2].Outcome != Pending {
			t.Errorf("steps %+v", s)
		}
		tot := got.Totals
		if tot.Runs[Interrupted] != 1 || tot.Runs[Succeeded] != 1 || tot.Steps[Interrupted] != 1 || tot.RunSeconds.Count != 1 {
			t.Errorf("totals %+v", tot)
		}
	}
}

func TestKilledProcessLeavesAnInterruptedRun(t *testing.T) {
	s := testStore(t, Options{})
	run := start(t, command(t.Context(), "run", s.Dir()))
	run.expect(t, "running")
	h := s.Hook("prestart")
	if got := mustRead(t, h); got.Outcome != Running || got.PID != run.cmd.Process.Pid {
		t.Errorf("while it runs: %+v", got)
	}
	run.kill()
	if got := mustRead(t, h); got.Outcome != Interrupted {
		t.Errorf("after its death: %q", got.Outcome)
	}
}

// A reader must never see a run that ends well as interrupted.
func TestReaderBesideRunsSeesNoInterruptedOne(t *testing.T) {
	s := testStore(t, Options{Dir: tmpfsDir(t)})
	h := s.Hook("prestart")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		other := testStore(t, Options{Dir: s.Dir()}).Hook("prestart")
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if r, ok, err := other.Read(); err != nil || ok && r.Outcome != Running && r.Outcome != Succeeded {
					t.Errorf("read %+v, %v", r, err)
					return
				}
			}
		})
	}
	for i := range 2000 {
		l := mustLock(t, h)
		id := fmt.Sprint("r", i)
		mustWrite(t, l, Record{RunID: id, Outcome: Running})
		mustWrite(t, l, Record{RunID: id, Outcome: Succeeded})
		_ = l.Unlock()
	}
	close(stop)
	readers.Wait()
}

// tmpfsDir is a directory in memory where there is one: an fsync there is free.
func tmpfsDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "state-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// asInstance is the same state as seen after a restart.
func asInstance(s *Store, id string) *Store {
	return &Store{dir: s.dir, instance: Instance{ID: id}, outputLimit: s.outputLimit, probe: probeHeld, hooks: map[string]*Hook{}}
}

func TestAnotherInstancesStateDoesNotCount(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	l := mustLock(t, h)
	w, err := l.Output("r1")
	if err != nil {
		t.Fatal(err)
	}
	mustLine(t, w, "x")
	mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded})
	if err := errors.Join(s.SaveConfig([]byte("hooks: {}"), "file"), l.Unlock()); err != nil {
		t.Fatal(err)
	}
	next := asInstance(s, "0123456789abcdef")
	n := next.Hook("prestart")
	if _, ok, err := n.Read(); ok || err != nil {
		t.Errorf("record: %v, %v", ok, err)
	}
	if _, _, ok, err := next.LastConfig(); ok || err != nil {
		t.Errorf("configuration: %v, %v", ok, err)
	}
	if got := readOutput(t, n); got != keptLine("step", "stdout", "x") {
		t.Errorf("the last run's output is still of use: %q", got)
	}
	l = mustLock(t, n)
	mustWrite(t, l, Record{RunID: "r2", Outcome: Failed})
	_ = l.Unlock()
	if r := mustRead(t, n); r.Instance != "0123456789abcdef" {
		t.Errorf("instance %q", r.Instance)
	}
	if _, ok, err := h.Read(); ok || err != nil {
		t.Errorf("the old instance sees the new one's record: %v, %v", ok, err)
	}
}

func TestBrokenRecordIsAnErrorAndIsWrittenOver(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	write := func() {
		t.Helper()
		l := mustLock(t, h)
		defer l.Unlock()
		mustWrite(t, l, fullRecord())
	}
	write()
	text, err := os.ReadFile(h.path())
	if err != nil {
		t.Fatal(err)
	}
	good := strings.TrimRight(string(text), "\x00\n")
	ours := `{"instance":"` + s.Instance().ID + `"`
	for name, text := range map[string]string{
		"half":           good[:len(good)/2],
		"nothing else":   ours,
		"no version":     ours + `,"runID":"r","outcome":"running"}`,
		"no run":         ours + `,"version":1,"outcome":"running"}`,
		"another hook's": strings.Replace(good, `"hook":"prestart"`, `"hook":"shutdown"`, 1),
		"other version":  strings.Replace(good, `"version":1`, `"version":2`, 1),
		"other types":    ours + `,"version":3,"steps":{"a":1}}`,
		"text behind it": good + "x",
		"huge":           good + strings.Repeat(" ", maxFile),
	} {
		if err := os.WriteFile(h.path(), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var broken *RecordError
		if _, ok, err := h.Read(); ok || !errors.As(err, &broken) || broken.Path != h.path() {
			t.Errorf("%s: %v, %v, want a RecordError", name, ok, err)
		}
		var version *VersionError
		if other := strings.HasPrefix(name, "other"); errors.As(broken, &version) != (other || name == "no version") {
			t.Errorf("%s: %v", name, broken)
		} else if other && version.Version < 2 {
			t.Errorf("%s: version %d", name, version.Version)
		}
		write()
		if r := mustRead(t, h); r.RunID != "r1" {
			t.Errorf("%s: written over: %+v", name, r)
		}
	}
	if err := errors.Join(os.Remove(h.path()), os.Mkdir(h.path(), 0o700)); err != nil {
		t.Fatal(err)
	}
	var broken *RecordError
	if _, _, err := h.Read(); !errors.As(err, &broken) {
		t.Errorf("a directory in its place: %v", err)
	}
}

// The state is not synced, so a crash of the machine may leave a part of any file. It
// is of an instance that ended by that crash: never believed, and no error for good.
func TestTornFilesAreAnotherInstances(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	l := mustLock(t, h)
	mustWrite(t, l, Record{RunID: "r1", Outcome: Running, Start: testTime})
	mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded, Start: testTime})
	if err := errors.Join(l.Unlock(), s.SaveConfig([]byte("hooks: {}"), "file"), s.SaveMain(MainIdentity{PID: 123, StartTime: 456})); err != nil {
		t.Fatal(err)
	}
	next := asInstance(s, "0123456789abcdef") // as after the crash
	found := func(s *Store) (what []string, err error) {
		rec, found, recErr := s.Hook("prestart").Read()
		_, _, config, configErr := s.LastConfig()
		_, main, mainErr := s.Main()
		for name, ok := range map[string]bool{"record": found && rec.Outcome == Succeeded, "configuration": config, "main": main} {
			if ok {
				what = append(what, name)
			}
		}
		return what, errors.Join(recErr, configErr, mainErr)
	}
	if what, err := found(s); len(what) != 3 || err != nil {
		t.Fatalf("before: %v, %v", what, err)
	}
	begin := len(`{"instance":"`) + 16 + 1
	for _, name := range []string{"hooks/prestart/run.json", "config.json", "main"} {
		path := filepath.Join(s.Dir(), name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole := bytes.TrimRight(text, "\x00")
		for n := range whole {
			if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			if what, err := found(next); len(what) != 0 || err != nil {
				t.Errorf("%d bytes of %s: the next instance has %v, %v", n, name, what, err)
			}
			// Ours cannot be torn but in its last line. If it is: no success.
			what, err := found(s)
			var broken *RecordError
			complete := whole[n] == '\n' && name == "config.json" // but for the newline at its end
			if (len(what) == 3) != complete || errors.As(err, &broken) != (n >= begin && !complete && name == "config.json") {
				t.Errorf("%d of %d bytes of %s: this instance has %v, %v", n, len(whole), name, what, err)
			}
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWriteRefusesARecordThatCouldNotBeRead(t *testing.T) {
	h := testStore(t, Options{}).Hook("prestart")
	l := mustLock(t, h)
	defer l.Unlock()
	mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded})
	if err := l.Write(Record{RunID: "r2", Outcome: Failed, Reason: strings.Repeat("x", maxRecord)}); err == nil {
		t.Error("a record of more than 1 MiB is written")
	}
	if r := mustRead(t, h); r.RunID != "r1" {
		t.Errorf("record of %q", r.RunID)
	}
}

// Read must see every write, however fast they follow: file times are coarse
// and inode numbers come again.
func TestReadIsNeverStale(t *testing.T) {
	for _, dir := range []string{t.TempDir(), tmpfsDir(t)} {
		h := testStore(t, Options{Dir: dir}).Hook("prestart")
		l := mustLock(t, h)
		for i := range 500 {
			id := fmt.Sprintf("r%04d", i)
			mustWrite(t, l, Record{RunID: id, Outcome: Succeeded})
			if r := mustRead(t, h); r.RunID != id {
				t.Fatalf("read run %s after %s was written", r.RunID, id)
			}
		}
		_ = l.Unlock()
	}
}

// A file that looks the same in all that stat tells, but is not, is read again.
func TestChangedRecordIsReadAgain(t *testing.T) {
	h := testStore(t, Options{}).Hook("prestart")
	l := mustLock(t, h)
	defer l.Unlock()
	mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded})
	old := time.Now().Add(-time.Minute)
	for _, id := range []string{"r2", "r3"} {
		data, err := os.ReadFile(h.path())
		if err != nil {
			t.Fatal(err)
		}
		before := mustRead(t, h).RunID
		err = os.WriteFile(h.path(), []byte(strings.Replace(string(data), before, id, 1)), 0o600) // in place
		if err := errors.Join(err, os.Chtimes(h.path(), old, old)); err != nil {
			t.Fatal(err)
		}
		if r := mustRead(t, h); r.RunID != id {
			t.Errorf("read run %s after %s was written", r.RunID, id)
		}
	}
}

func TestUnchangedRecordIsNotParsedAgain(t *testing.T) {
	h := testStore(t, Options{}).Hook("prestart")
	l := mustLock(t, h)
	defer l.Unlock()
	mustWrite(t, l, fullRecord())
	mustRead(t, h)
	first := h.cached
	if first == nil {
		t.Fatal("nothing cached")
	}
	r := mustRead(t, h)
	if h.cached != first {
		t.Error("parsed again")
	}
	// What a caller does to its copy is not seen by the next.
	want := normal(t, mustRead(t, h))
	r.Steps[1].Tail[0] = "changed"
	*r.Steps[1].ExitCode = 99
	r.Main.PID = 99
	r.Totals.AddRun(Failed, 1, testTime)
	r.Totals.AddStep(Failed, 1)
	r.Totals.AddKills("SIGTERM", 1)
	r.Totals.AddSignal("SIGQUIT")
	if got := normal(t, mustRead(t, h)); got != want {
		t.Errorf("changed through a copy: %s", got)
	}
}

func TestAddTailKeepsTheLastLines(t *testing.T) {
	var s StepRecord
	for i := range 30 {
		s.AddTail(fmt.Sprint("line ", i))
	}
	if len(s.Tail) != maxTailLines || s.Tail[maxTailLines-1] != "line 29" || s.Tail[0] != "line 20" {
		t.Errorf("%q", s.Tail)
	}
	for _, line := range []string{strings.Repeat("x", 1500), strings.Repeat("y", 1500)} {
		s.AddTail(line)
	}
	if len(s.Tail) != 1 || s.Tail[0][0] != 'y' {
		t.Errorf("%d lines", len(s.Tail))
	}
	s.AddTail("bad \xff\xfe byte")
	s.AddTail(strings.Repeat("ä", 5000) + "end")
	last := s.Tail[len(s.Tail)-1]
	if len(last) > maxTailBytes || len(last) < maxTailBytes-4 || !utf8.ValidString(last) || !strings.HasSuffix(last, "end") {
		t.Errorf("%d bytes of a long line", len(last))
	}
}

func FuzzRecord(f *testing.F) {
	good, err := encodeRecord(fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(strings.Replace(string(good), `"version":0`, `"version":1`, 1)))
	f.Add([]byte(`{"version":1,"runID":"r","instance":"i","outcome":"running","steps":[{"name":"a","outcome":"running"}],"totals":{"steps":null}}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(data)
		if err != nil {
			return
		}
		if r.Version != recordVersion || r.RunID == "" {
			t.Fatalf("accepted %+v", r)
		}
		// What was read can be used as the engine does it, and comes back.
		c := r.Clone()
		c.interrupt()
		c.Totals.AddRun(Succeeded, 1, time.Now())
		c.Totals.AddStep(Failed, 1)
		out, err := encodeRecord(r)
		if err != nil {
			return // a number or time that JSON cannot hold, or too long
		}
		again, err := decodeRecord(out[:len(out)-1])
		if err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		out2, err := encodeRecord(again)
		if err != nil || string(out2) != string(out) {
			t.Fatalf("%s\n%s\n%v", out, out2, err)
		}
	})
}
