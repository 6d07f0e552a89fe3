package hooks

import (
	"fmt"
	"time"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/state"
)

// remainsKill is the longest time between SIGTERM and SIGKILL to what a dead run has
// left. The next run waits for it.
const remainsKill = time.Second

// Remains identifies the processes that a run has left whose podhook was killed. It
// spares the background processes of steps that have succeeded.
func Remains(rec state.Record) process.Remains {
	of := process.Remains{Mark: runMark(rec.RunID)}
	for _, step := range rec.Steps {
		if step.Outcome == state.Succeeded {
			of.Spared = append(of.Spared, stepMark(step.Name))
		}
	}
	return of
}

// endRemains ends what the run before has left, if its podhook was killed: two runs of
// a hook must not overlap. It returns what it has done, or "". It must be called before
// the record of that run is replaced, so that it is repeated if podhook is killed
// meanwhile.
func (x *run) endRemains(before state.Record) string {
	if before.Outcome != state.Interrupted || before.End != nil {
		return ""
	}
	ended, left := x.runner.Options.Reaper.EndMarked(Remains(before), min(remainsKill, x.budget.killAfter))
	switch {
	case left > 0:
		return fmt.Sprintf("run %s was killed and has left %d processes, %d of which cannot be killed", before.RunID, ended, left)
	case ended > 0:
		return fmt.Sprintf("run %s was killed and has left %d processes, which were ended", before.RunID, ended)
	}
	return ""
}
