package hooks

import (
	"strconv"
	"strings"
	"time"

	"github.com/podhook/podhook/hooks/state"
)

// environment is a step's: the container's, the step's own entries and what
// tells a script where it is (design section 5). Nothing of an HTTP request is
// in it. marks are the entries that tell this attempt's processes from all
// others in /proc/PID/environ.
func (x *run) environment(u unit, rec *state.StepRecord, deadline time.Time) (env, marks []string) {
	marks = []string{
		"PODHOOK_RUN_ID=" + x.rec.RunID,
		"PODHOOK_STEP=" + u.name,
		"PODHOOK_ATTEMPT=" + strconv.Itoa(rec.Attempt),
	}
	own := append([]string{
		"PODHOOK_HOOK=" + x.hook.Name,
		"PODHOOK_TRIGGER=" + string(x.rec.Trigger),
		"PODHOOK_DEADLINE=" + deadline.UTC().Format(time.RFC3339),
	}, marks...)
	own = append(own, x.environ...)
	return override(override(x.Environ, u.step.Env), own), marks
}

// override returns base with the entries of with in the place of those of the
// same name. Programs differ in which of two entries they take, so there may
// not be two.
func override(base, with []string) []string {
	replaced := make(map[string]bool, len(with))
	for _, entry := range with {
		name, _, _ := strings.Cut(entry, "=")
		replaced[name] = true
	}
	env := make([]string, 0, len(base)+len(with))
	for _, entry := range base {
		if name, _, _ := strings.Cut(entry, "="); !replaced[name] {
			env = append(env, entry)
		}
	}
	return append(env, with...)
}
