package agent

import (
	"context"
	"net/http"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// livez says that the agent answers. It does not look at hooks, because a liveness
// probe must not restart a container for a failed hook.
func (a *Agent) livez(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(instanceHeader, a.Store.Instance().ID)
	send(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
}

// readyz answers 503 until prestart has succeeded, the main process has been started and
// the conditions of ready hold, and from the start of shutdown.
func (a *Agent) readyz(w http.ResponseWriter, req *http.Request) {
	w.Header().Set(instanceHeader, a.Store.Instance().ID)
	status := http.StatusOK
	why := a.NotReady(req.Context())
	if why != "" {
		status = http.StatusServiceUnavailable
	}
	send(w, status, "text/plain; charset=utf-8", []byte(ReadyLine(cutBody(unquoted(why)))+"\n"))
}

// ReadyLine is the answer to a probe, for people.
func ReadyLine(why string) string {
	if why != "" {
		return "not ready: " + why
	}
	return "ready"
}

// NotReady returns why the container should not get traffic, or "". It takes at most
// about 0.8 s. The Agent need not serve: podhook ready asks one that does not.
func (a *Agent) NotReady(ctx context.Context) string {
	if a.Settings.Disabled {
		return ""
	}
	cfg, err := a.Configuration.Get()
	if err != nil {
		return err.Error()
	}
	why := a.notReadyByHooks(cfg)
	if why != "" || len(cfg.Ready) == 0 {
		return why
	}
	if why := a.readyLooks.missing(ctx, cfg.Ready); why != "" {
		return why
	}
	return a.notReadyByHooks(cfg) // shutdown may have begun during the look
}

// notReadyByHooks looks at the state and the main process alone.
func (a *Agent) notReadyByHooks(cfg *config.Config) string {
	if len(cfg.Hooks[config.Prestart].Steps) > 0 {
		rec, found, err := a.Store.Hook(config.Prestart).Read()
		switch {
		case err != nil:
			return err.Error()
		case !found:
			return "prestart has not run in this instance"
		case !a.Runner.Current(rec):
			return "prestart has not run since the main process's container was restarted"
		case rec.Outcome != state.Succeeded:
			return "prestart: " + string(rec.Outcome)
		}
	}
	if a.Settings.UnreadyOnShutdown {
		if why := a.draining(); why != "" {
			return why
		}
	}
	if a.Child != nil {
		if err := a.Child.Absent(); err != nil {
			return err.Error()
		}
	}
	return ""
}

// draining returns why the container counts as stopping, or "".
func (a *Agent) draining() string {
	if a.stopping.Load() {
		return "the agent was told to stop"
	}
	rec, found, err := a.Store.Hook(config.Shutdown).Read()
	if err != nil {
		return err.Error()
	}
	// A main process that has replaced the drained one is ready.
	if found && (rec.Outcome == state.Running || !a.Runner.MainReplaced(rec)) {
		return "shutdown: " + string(rec.Outcome)
	}
	// A call that waits for its lock, or that cannot be recorded, has no record yet.
	if _, _, flies := a.Runner.Flying(config.Shutdown); flies {
		return "shutdown: " + string(state.Running)
	}
	return ""
}
