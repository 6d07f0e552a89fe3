package show

import (
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// All tells several observers, in their order.
type All []hooks.Observer

// Line tells all of them.
func (a All) Line(line hooks.Line) {
	for _, o := range a {
		o.Line(line)
	}
}

// Ended tells all of them.
func (a All) Ended(rec state.Record) {
	for _, o := range a {
		o.Ended(rec)
	}
}
