package show

import (
	"fmt"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// summaryLimit bounds what an exec'd hook prints: kubelet puts all of it into
// the pod's status, 150 KB went in whole (kubelet.md, postStart).
const summaryLimit = 2048

// Summary is what an exec'd hook prints on its own stdout or stderr: outcome,
// failing step and the last lines, at most 2 KiB of valid UTF-8.
func Summary(result hooks.Result) string {
	rec := result.Record
	head := fmt.Sprintf("podhook: hook %s %s", rec.Hook, outcomeWords(rec.Outcome))
	switch {
	case result.Bypassed:
		return head + ": bypassed, PODHOOK_DISABLED is true\n"
	case result.Already:
		head += " already"
	case result.Joined:
		head += " in a run that was going on"
	}
	head += fmt.Sprintf(" (run %s, %d steps, %v)", rec.RunID, len(rec.Steps), took(rec))
	if rec.Reason != "" {
		head += ": " + rec.Reason
	}
	var tail []string
	if rec.Outcome != state.Succeeded {
		tail = failedTail(rec)
	}
	return bounded(head, tail, summaryLimit)
}
