package agent

import (
	"context"
	"log/slog"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// maxLogged bounds the hooks in the last line of the log.
const maxLogged = 10

// LogFigures logs, in one line, what became of the container: a log outlives the pod. Hooks
// without steps, and those that have not run, are left out.
func (a *Agent) LogFigures() {
	var attrs []slog.Attr
	seen := a.Course.Seen()
	if seen.Code != nil {
		attrs = append(attrs, slog.Int("code", *seen.Code))
	}
	if seen.Delay != nil {
		attrs = append(attrs, slog.Float64("start_delay_seconds", hooks.Seconds(*seen.Delay)))
	}
	if seen.Stop != nil {
		attrs = append(attrs, slog.Float64("stop_seconds", hooks.Seconds(*seen.Stop)))
	}
	if a.Store != nil {
		attrs = append(attrs, a.runFigures()...)
	}
	a.Logger.LogAttrs(context.Background(), slog.LevelInfo, show.Figures, attrs...)
}

// runFigures returns the last shutdown, and how many runs each hook had and how many of them
// did not succeed.
func (a *Agent) runFigures() (attrs []slog.Attr) {
	cfg, err := a.Configuration.Get()
	if err != nil {
		return nil
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	if reason := a.knownReason(); reason != "" {
		attrs = append(attrs, slog.String("stop_reason", string(reason)))
	}
	var runs, failures []any
	for _, name := range hookOrder(cfg) {
		rec, found, err := a.Store.Hook(name).Read()
		if err != nil || !found || len(cfg.Hooks[name].Steps) == 0 {
			continue
		}
		if name == config.Shutdown {
			attrs = append(attrs, slog.String("shutdown", string(rec.Outcome)), slog.Float64("shutdown_seconds", show.Seconds(rec)))
		}
		var all, succeeded uint64
		for outcome, n := range rec.Totals.Runs {
			all += n
			if outcome == state.Succeeded {
				succeeded = n
			}
		}
		if all == 0 || len(runs) == maxLogged {
			continue
		}
		runs = append(runs, slog.Uint64(name, all))
		if failed := all - succeeded; failed > 0 {
			failures = append(failures, slog.Uint64(name, failed))
		}
	}
	if len(runs) > 0 {
		attrs = append(attrs, slog.Group("runs", runs...))
	}
	if len(failures) > 0 {
		attrs = append(attrs, slog.Group("failures", failures...))
	}
	return attrs
}
