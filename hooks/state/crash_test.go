package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// childWriteForever does run after run, with a record of many pages so that a
// half one would be likely.
func childWriteForever(dir string) error {
	s, err := Open(Options{Dir: dir, OutputLimit: minOutputLimit})
	if err != nil {
		return err
	}
	h := s.Hook("prestart")
	l, err := h.Lock(context.Background())
	if err != nil {
		return err
	}
	r := fullRecord()
	for range 100 {
		r.Steps = append(r.Steps, StepRecord{Name: "s", Tail: []string{strings.Repeat("x", 1000)}})
	}
	for i := 0; ; i++ {
		if i < 2 {
			fmt.Println("run", i)
		}
		r.RunID = fmt.Sprint("r", i)
		w, err := l.Output(r.RunID)
		if err != nil {
			return err
		}
		r.Outcome = Running
		if err := errors.Join(removeIfThere(h.MarkerPath()), l.Reserve(), l.Write(r)); err != nil {
			return err
		}
		for range 50 {
			if err := w.WriteLine(time.Now(), "s", "stdout", []byte("line"), 0); err != nil {
				return err
			}
		}
		r.Outcome = Succeeded
		config := bytes.Repeat([]byte(r.RunID+"\n"), 1000)
		if err := errors.Join(l.Write(r), l.WriteMarker([]byte(r.RunID)), s.SaveConfig(config, r.RunID)); err != nil {
			return err
		}
	}
}

func TestKilledWriterLeavesTheOldOrTheNew(t *testing.T) {
	testutil.Slow(t)
	s := testStore(t, Options{Dir: tmpfsDir(t)})
	seen := map[Outcome]int{}
	for i := range 200 {
		w := start(t, command(t.Context(), "write-forever", s.Dir()))
		w.expect(t, "run 0")
		began := time.Now()
		w.expect(t, "run 1")
		time.Sleep(rand.N(2 * time.Since(began))) // any moment of a run
		w.kill()
		h := s.Hook("prestart")
		if busy, err := h.Busy(); busy || err != nil {
			t.Fatalf("kill %d: lock held: %v, %v", i, busy, err)
		}
		r, ok, err := h.Read()
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		if ok {
			seen[r.Outcome]++
		}
		marker, err := os.ReadFile(h.MarkerPath())
		if err == nil && (r.Outcome != Succeeded || string(marker) != r.RunID) || err != nil && !os.IsNotExist(err) {
			t.Fatalf("kill %d: marker %q beside run %s, %q, %v", i, marker, r.RunID, r.Outcome, err)
		}
		text, source, ok, err := s.LastConfig()
		if err != nil || ok && string(text) != strings.Repeat(source+"\n", 1000) {
			t.Fatalf("kill %d: %d bytes of configuration %q, %v", i, len(text), source, err)
		}
		readOutput(t, h)
	}
	if seen[Interrupted] == 0 || seen[Succeeded] == 0 {
		t.Errorf("the kills hit too few moments: %v", seen)
	}
	// What the kills left is used up by the next owner.
	h := s.Hook("prestart")
	l := mustLock(t, h)
	defer l.Unlock()
	_, err := l.Output("last")
	mustWrite(t, l, Record{RunID: "last", Outcome: Succeeded})
	if err := errors.Join(err, l.WriteMarker(nil), l.Reserve(), s.SaveConfig(nil, "last")); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"*.tmp", "hooks/*/*.tmp", "hooks/*/.*", "hooks/*/output*", ".try"} {
		if left, _ := filepath.Glob(filepath.Join(s.Dir(), pattern)); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestWriteFileAtomic(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "prestart.done")
	for _, m := range []os.FileMode{0o644, 0o600, 0o666} {
		if err := WriteFileAtomic(path, []byte(m.String()), m); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != m.String() || mode(t, path) != m {
			t.Errorf("%q with mode %v, %v, want mode %v", got, mode(t, path), err, m)
		}
	}
	// A link is replaced, not followed.
	target := filepath.Join(dir, "target")
	if err := errors.Join(os.Remove(path), os.Symlink(target, path)); err != nil {
		t.Fatal(err)
	}
	if err := WriteFileAtomic(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(target); err == nil || !mode(t, path).IsRegular() {
		t.Error("wrote through a link")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	err := WriteFileAtomic(filepath.Join(dir, "none/x"), nil, 0o644)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none") {
		t.Errorf("in no directory: %v", err)
	}
	t.Chdir(dir)
	if err := WriteFileAtomic("here", []byte("x"), 0o644); err != nil {
		t.Errorf("a bare name: %v", err)
	}
}

func removeIfThere(path string) error {
	err := os.Remove(path)
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

func TestLastConfigIsTheLastSaved(t *testing.T) {
	s := testStore(t, Options{})
	if _, _, ok, err := s.LastConfig(); ok || err != nil {
		t.Fatalf("before: %v, %v", ok, err)
	}
	text := []byte("hooks: {\x00\xff}")
	if err := s.SaveConfig(text, "a.yaml"); err != nil {
		t.Fatal(err)
	}
	other := testStore(t, Options{Dir: s.Dir()})
	got, source, ok, err := other.LastConfig()
	if string(got) != string(text) || source != "a.yaml" || !ok || err != nil {
		t.Errorf("%q from %q, %v, %v", got, source, ok, err)
	}
	path := filepath.Join(s.Dir(), "config.json")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveConfig(text, "a.yaml"); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("written again though unchanged (%v)", err)
	}
	ours := `{"instance":"` + s.Instance().ID + `"`
	for _, broken := range []string{ours, ours + `,"version":9}`} {
		if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		var re *RecordError
		if _, _, ok, err := s.LastConfig(); ok || !errors.As(err, &re) {
			t.Errorf("broken: %v, %v", ok, err)
		}
		if err := s.SaveConfig(text, "b.yaml"); err != nil {
			t.Fatal(err)
		}
		if _, source, ok, err := s.LastConfig(); source != "b.yaml" || !ok || err != nil {
			t.Errorf("after broken: %q, %v, %v", source, ok, err)
		}
	}
}
