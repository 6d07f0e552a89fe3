package hooks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// CycleError is a hook that one of its own steps calls, directly or through other
// hooks. The hook would wait for itself until its timeout.
type CycleError struct {
	// Hooks lists the names in the order of the calls. The last equals the first.
	Hooks []string
}

func (e *CycleError) Error() string {
	text := "a step of hook " + e.Hooks[0]
	for _, name := range e.Hooks[1 : len(e.Hooks)-1] {
		text += fmt.Sprintf(" calls hook %s, a step of which", name)
	}
	last := e.Hooks[len(e.Hooks)-1]
	return fmt.Sprintf("%s calls hook %s, which would wait for itself: move what both need to a hook of its own", text, last)
}

// callersOf returns the runs that a process with this environment belongs to, as
// HOOK/RUN, outermost first. It leaves out runs that have ended: a background process
// of such a run may call the hook. store may be nil; then no run has ended.
func callersOf(environ []string, store *state.Store) []string {
	var callers, hook, run string
	for _, entry := range environ {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case config.EnvCallers:
			callers = value
		case config.EnvHook:
			hook = value
		case config.EnvRunID:
			run = value
		}
	}
	return slices.DeleteFunc(append(strings.Fields(callers), hook+"/"+run), func(caller string) bool {
		hook, run, _ := strings.Cut(caller, "/")
		return run == "" || store != nil && !goesOn(store.Hook(hook), run)
	})
}

func goesOn(hook *state.Hook, run string) bool {
	rec, found, err := hook.Read()
	return err == nil && found && rec.Outcome == state.Running && rec.RunID == run
}

// CheckCycle returns a *CycleError if a run of the hook waits for the process with
// this environment, which therefore cannot wait for the hook. store is nil if there is
// no state.
func CheckCycle(environ []string, store *state.Store, name string) error {
	callers := callersOf(environ, store)
	at := slices.IndexFunc(callers, func(caller string) bool { return strings.HasPrefix(caller, name+"/") })
	if at < 0 {
		return nil
	}
	e := &CycleError{}
	for _, caller := range callers[at:] {
		hook, _, _ := strings.Cut(caller, "/")
		e.Hooks = append(e.Hooks, hook)
	}
	e.Hooks = append(e.Hooks, name)
	return e
}
