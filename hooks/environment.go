package hooks

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// environment returns the environment of a unit: base, the step's env and the
// variables of config.StepVariables. It holds nothing of an HTTP request. marks are
// the entries by which the processes of this attempt are found in /proc/PID/environ.
func (x *run) environment(base []string, u unit, rec *state.StepRecord, deadline time.Time) (env, marks []string) {
	marks = []string{
		runMark(x.rec.RunID),
		stepMark(u.name),
		config.EnvAttempt + "=" + strconv.Itoa(rec.Attempt),
	}
	own := append([]string{
		config.EnvHook + "=" + x.hook.Name,
		config.EnvTrigger + "=" + string(x.rec.Trigger),
		config.EnvDeadline + "=" + deadline.UTC().Format(time.RFC3339),
	}, marks...)
	if callers := callersOf(x.runner.Options.Environ, x.runner.Options.Store); len(callers) > 0 {
		own = append(own, config.EnvCallers+"="+strings.Join(callers, " "))
	}
	if reason := x.awaitReason(); reason != "" {
		own = append(own, config.EnvStopReason+"="+string(reason))
	}
	own = append(own, x.environ...)
	return override(override(base, u.step.Env), own), marks
}

func runMark(id string) string    { return config.EnvRunID + "=" + id }
func stepMark(name string) string { return config.EnvStep + "=" + name }

// override returns base and with; an entry of with replaces the entry of base with the
// same name. Programs differ in which of two such entries they read.
func override(base, with []string) []string {
	replaced := make(map[string]bool, len(with))
	for _, entry := range with {
		name, _, _ := strings.Cut(entry, "=")
		replaced[name] = true
	}
	return append(without(base, replaced), with...)
}

// without returns a new list without the entries of these names.
func without(env []string, names map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return names[name]
	})
}
