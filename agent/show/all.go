package show

import (
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// All passes everything to several observers, in order.
type All []hooks.Observer

// Line passes on a line.
func (a All) Line(line hooks.Line) {
	for _, o := range a {
		o.Line(line)
	}
}

// Ended passes on the end of a run.
func (a All) Ended(rec state.Record) {
	for _, o := range a {
		o.Ended(rec)
	}
}
