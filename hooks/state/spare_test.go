package state

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A run that was reserved for is recorded, and its marker written, though the file
// system is full and stays so. Readers see each as a whole.
func TestFullDiskWithSpares(t *testing.T) {
	for what, c := range map[string]struct {
		options string
		fill    func(t *testing.T, dir string)
	}{
		"bytes":  {"size=128k,mode=700", func(t *testing.T, dir string) { fill(t, dir) }},
		"inodes": {"size=1m,nr_inodes=20,mode=700", useUp},
	} {
		t.Run(what, func(t *testing.T) {
			dir := mountTmpfs(t, c.options)
			h := testStore(t, Options{Dir: dir}).Hook("shutdown")
			l := mustLock(t, h)
			defer l.Unlock()
			if h.Reserved() {
				t.Error("reserved before Reserve")
			}
			if err := l.Reserve(); err != nil || !h.Reserved() {
				t.Fatalf("%v, reserved %v", err, h.Reserved())
			}
			mustWrite(t, l, Record{RunID: "r0", Outcome: Failed})
			c.fill(t, dir)
			// A record that does not fit loses what only people need.
			r := Record{RunID: "r1", Outcome: Running}
			for range 100 {
				r.Steps = append(r.Steps, StepRecord{Name: "s", Outcome: Succeeded, Tail: []string{strings.Repeat("x", 500)}})
			}
			r.Steps = append(r.Steps, StepRecord{Name: "once", Once: true, Outcome: Succeeded, Tail: []string{"x"}}, StepRecord{Name: "bad", Outcome: Failed, Error: "why"})
			mustWrite(t, l, r)
			got := mustRead(t, h)
			if n := len(got.Steps); got.RunID != "r1" || n != 2 && what == "bytes" || !got.Steps[n-2].Once || got.Steps[n-1].Error != "why" {
				t.Errorf("%.300s", fmt.Sprintf("%+v", got))
			}
			c.fill(t, dir) // also what that has freed
			mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded, Steps: r.Steps[:1]})
			if got := mustRead(t, h); got.Outcome != Succeeded {
				t.Errorf("%.300s", fmt.Sprintf("%+v", got))
			}
			c.fill(t, dir)
			if err := l.WriteMarker([]byte("shutdown r1\n")); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(h.MarkerPath()); string(text) != "shutdown r1\n" {
				t.Errorf("marker %q, %v", text, err)
			}
			c.fill(t, dir)
			// As much as there is space for is recorded, and the last one stays.
			var full *FullError
			last, err := "r1", error(nil)
			for n := 2; err == nil && n < 200; n++ {
				id := fmt.Sprint("r", n)
				if err = l.Write(Record{RunID: id, Outcome: Running}); err == nil {
					last = id
					mustWrite(t, l, Record{RunID: id, Outcome: Failed})
				}
			}
			if !errors.As(err, &full) && what == "bytes" {
				t.Errorf("nothing is left, and Write says %v", err)
			}
			if got := mustRead(t, h); got.RunID != last || got.Outcome != Failed {
				t.Errorf("%+v, want %s", got, last)
			}
		})
	}
}

// useUp leaves no inode in a file system.
func useUp(t *testing.T, dir string) {
	t.Helper()
	for range 1000 {
		err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("inode-%d", rand.Int())), nil, 0o600)
		if errors.Is(err, unix.ENOSPC) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("there are still inodes")
}
