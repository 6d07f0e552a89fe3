package config

import (
	"strings"
	"time"

	"github.com/podhook/podhook/hooks/executable"
)

// Action is what a step does. Each kind of action has a file, kind_NAME.go, with
// its type, its fields and the rules below.
type Action interface {
	// Kind is the key of the action in a step.
	Kind() string
	// Does describes the action for people, without secrets. It is "" for a group
	// and for actions whose programs are shown instead.
	Does() string
	// WaitsFor names what the action waits for from its start, or is "".
	WaitsFor() string
	// NeedsMain reports whether the action needs the main process.
	NeedsMain() bool

	// detail completes the default name of a step: render.sh in exec-render.sh.
	detail() string
	// worst is the longest that the step with this action takes. bounded is false
	// if only the hook's timeout ends it.
	worst(s *Step) (w WorstStep, bounded bool)
	// alwaysTimeout is the default timeout of a step with always: true.
	alwaysTimeout() time.Duration
	// preflight looks at the files that the action names.
	preflight(p *Preflight)
}

// starter is an action that starts programs. The fields env, workingDir, user, quiet,
// noNewPrivileges and killAfter and the exit codes of retryOn are for these actions only.
type starter interface {
	Action
	// programs lists what the step of the hook starts. search finds programs and
	// interpreters as podhook does.
	programs(h *Hook, search executable.Search) []program
}

func startsPrograms(a Action) bool {
	if w, ok := a.(Wait); ok {
		_, ok = w.For.(Program)
		return ok
	}
	_, ok := a.(starter)
	return ok
}

// checker is an action with rules for the other fields of its step. check gets the
// zero value of an action that has a problem of its own.
type checker interface {
	check(d *decoder, s *stepDraft, field string)
}

// kind is a row of the table of kinds. read reports problems to the decoder and
// returns nil if there are any.
type kind struct {
	action Action // the zero value
	read   func(*decoder, value) Action
}

// kinds is the table of all kinds, in the order in which errors list them.
func kinds() []kind {
	return []kind{
		{Exec{}, readExec},
		{Scripts{}, readScripts},
		{HTTP{}, readHTTP},
		{Wait{}, readWait},
		{Signal{}, readSignal},
		{Sleep{}, readSleep},
		{Write{}, readWrite},
		{Remove{}, readRemove},
		{Parallel{}, readParallel},
	}
}

func (k kind) name() string { return k.action.Kind() }

func kindNames() string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name())
	}
	return strings.Join(names, ", ")
}

const (
	// alwaysQuick is the default timeout of a step with always: true whose action
	// waits for the disk only.
	alwaysQuick = 500 * time.Millisecond
	// alwaysDefault is that of most other steps.
	alwaysDefault = 5 * time.Second
)
