package state

import (
	"os"
	"path/filepath"
	"testing"
)

// A look at what a writer would do never takes the directory from a writer.
func TestTrialLeavesTheDirectoryToOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	trial, err := Open(Options{Dir: dir, Trial: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := trial.Check(); err != nil || trial.Dir() != dir {
		t.Errorf("%s: %v, want %s", trial.Dir(), err, dir)
	}
	writer, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	trial.Unmake()
	if err := writer.SaveSeen("pid:1", MainIdentity{PID: 1, StartTime: 1}); err != nil {
		t.Errorf("the writer has lost its directory: %v", err)
	}
	again, err := Open(Options{Dir: dir, Trial: true})
	if err != nil {
		t.Fatal(err)
	}
	again.Unmake()
	if _, ok := writer.Seen("pid:1"); !ok {
		t.Error("the state is gone")
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v", left, err)
	}
}
