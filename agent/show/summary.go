package show

import (
	"fmt"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// SummaryLimit bounds the output of an exec'd hook, in bytes. kubelet puts all of it
// into the status of the pod (deploy/kubernetes/kubelet.md, postStart).
const SummaryLimit = 2048

// Summary returns what an exec'd hook prints: the outcome, the failed step and its last
// lines, at most limit bytes of valid UTF-8.
func Summary(result hooks.Result, limit int) string {
	rec := result.Record
	head := fmt.Sprintf("podhook: hook %s %s", rec.Hook, OutcomeWords(rec.Outcome))
	switch {
	case result.Bypassed:
		return head + ": bypassed, PODHOOK_DISABLED is true\n"
	case result.Already:
		head += " already"
	case result.Joined:
		head += " in a run that was going on"
	}
	head += fmt.Sprintf(" (run %s, %s, %v)", rec.RunID, Count(len(rec.Steps), "step"), took(rec))
	if rec.Reason != "" {
		head += ": " + rec.Reason
	}
	var tail []string
	if rec.Outcome != state.Succeeded {
		tail = failedTail(rec)
	}
	return bounded(head, tail, limit)
}
