package config

import (
	"fmt"
	"time"
)

// Sleep waits.
type Sleep struct{ Duration time.Duration }

func (Sleep) Kind() string                 { return "sleep" }
func (a Sleep) Does() string               { return a.Duration.String() }
func (Sleep) WaitsFor() string             { return "" }
func (Sleep) NeedsMain() bool              { return false }
func (Sleep) detail() string               { return "" }
func (Sleep) alwaysTimeout() time.Duration { return 0 } // it has its duration
func (Sleep) preflight(*Preflight)         {}

// worst does not count retries: a sleep cannot fail.
func (a Sleep) worst(s *Step) (WorstStep, bool) {
	return WorstStep{Name: s.Name, Longest: a.Duration}, true
}

// check refuses a timeout that always ends the sleep.
func (a Sleep) check(d *decoder, s *stepDraft, field string) {
	if s.step.Timeout != 0 && s.step.Timeout <= a.Duration {
		d.add(Problem{Pos: s.step.Pos, Field: field + ".timeout", Value: s.step.Timeout.String(),
			Msg: fmt.Sprintf("not longer than the sleep of %s; the step would always time out", a.Duration)})
	}
}

// readSleep reads the time to wait.
func readSleep(d *decoder, v value) Action {
	t := d.duration(v)
	if t == 0 {
		return nil
	}
	return Sleep{Duration: t}
}
