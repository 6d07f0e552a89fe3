package hooks

import (
	"os"
	"testing"

	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/hooks/state"
)

type mainIs struct {
	MainProcess
	identity *state.MainIdentity
}

func (m mainIs) Identity() *state.MainIdentity { return m.identity }

// The record of a shutdown is valid for the main process that it was run for. If there was
// none, it is valid until one starts.
func TestMainReplaced(t *testing.T) {
	self, err := procfs.Proc.Stat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	now := state.MainIdentity{PID: self.PID, StartTime: self.Start}
	other := state.MainIdentity{PID: self.PID, StartTime: self.Start - 1}
	for name, c := range map[string]struct {
		main   MainProcess
		record state.Record
		want   bool
	}{
		"none is configured":       {nil, state.Record{Main: &now}, false},
		"it has gone":              {mainIs{}, state.Record{Main: &now}, false},
		"it is the same":           {mainIs{identity: &now}, state.Record{Main: &now}, false},
		"its number was recycled":  {mainIs{identity: &now}, state.Record{Main: &other}, true},
		"there was none, one came": {mainIs{identity: &now}, state.Record{StartTicks: self.Start - 1}, true},
		"it could not be told":     {mainIs{identity: &now}, state.Record{StartTicks: self.Start}, false},
	} {
		r := &Runner{Options: Options{Main: c.main}}
		if got := r.MainReplaced(c.record); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		r.Options.OneMain = true
		if r.MainReplaced(c.record) {
			t.Errorf("%s: replaced under podhook run", name)
		}
	}
}
