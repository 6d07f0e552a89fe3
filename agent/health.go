package agent

import (
	"net/http"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// livez says that the agent answers. It does not look at hooks, because a liveness
// probe must not restart a container for a failed hook.
func (a *Agent) livez(w http.ResponseWriter, _ *http.Request) {
	send(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
}

// readyz answers 503 until prestart has succeeded, and from the start of shutdown.
func (a *Agent) readyz(w http.ResponseWriter, _ *http.Request) {
	ready, why := a.ready()
	if !ready {
		send(w, http.StatusServiceUnavailable, "text/plain; charset=utf-8", []byte("not ready: "+cutBody(why)+"\n"))
		return
	}
	send(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ready\n"))
}

// ready reports whether the container should get traffic, and why not.
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
	// A main process that has replaced the drained one is ready.
	if found && (rec.Outcome == state.Running || !a.Runner.MainReplaced(rec)) {
		return false, "shutdown: " + string(rec.Outcome)
	}
	return true, ""
}
