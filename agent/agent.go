package agent

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// Agent answers over HTTP for one container. All fields are needed but Finder
// and Log; none may be changed once it serves.
type Agent struct {
	Settings      *settings.Settings
	Configuration *Configuration
	Store         *state.Store
	Runner        *hooks.Runner
	// Finder is nil where no main process is configured.
	Finder *mainprocess.Finder
	Logger *slog.Logger
	// Log is where Logger writes, to count what it lost; nil where that is unknown.
	Log     *show.NonBlocking
	Version string

	requests requestCounter
	asked    asked
	stopping atomic.Bool // a stop signal has come

	lateCaller time.Duration // for tests to tell it from anything else; 0 is the constant
}

// ready says whether the container should get traffic, and why not.
func (a *Agent) ready() (bool, string) {
	if a.Settings.Disabled {
		return true, "bypassed: PODHOOK_DISABLED is true"
	}
	cfg, err := a.Configuration.Get()
	if err != nil {
		return false, err.Error()
	}
	if len(cfg.Hooks[config.Prestart].Steps) > 0 {
		rec, found, err := a.Store.Hook(config.Prestart).Read()
		switch {
		case err != nil:
			return false, err.Error()
		case !found:
			return false, "prestart has not run in this instance"
		case !a.Runner.Current(rec):
			return false, "prestart has not run since the main process's container was restarted"
		case rec.Outcome != state.Succeeded:
			return false, "prestart: " + string(rec.Outcome)
		}
	}
	if !a.Settings.UnreadyOnShutdown {
		return true, ""
	}
	if a.stopping.Load() {
		return false, "the agent was told to stop"
	}
	rec, found, err := a.Store.Hook(config.Shutdown).Read()
	if err != nil {
		return false, err.Error()
	}
	// A main process that has come after the one that was drained is not
	// draining (Contour #4851, envoyproxy/gateway #5832).
	if found && (rec.Outcome == state.Running || !a.Runner.MainReplaced(rec)) {
		return false, "shutdown: " + string(rec.Outcome)
	}
	return true, ""
}
