package show

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// NewLogger returns the logger of the container's log.
func NewLogger(w io.Writer, format settings.LogFormat) *slog.Logger {
	if format == settings.JSON {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// Log logs every line that a step prints, and the end of every run.
type Log struct{ Logger *slog.Logger }

// Line logs one line of a step.
func (l Log) Line(line hooks.Line) {
	l.Logger.Info("step output", "hook", line.Hook, "step", line.Step, "run", line.RunID,
		"stream", string(line.Line.Stream), "line", line.String())
}

// Ended logs the end of a run.
func (l Log) Ended(rec state.Record) {
	level := slog.LevelInfo
	if rec.Outcome != state.Succeeded {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("hook", rec.Hook), slog.String("run", rec.RunID), slog.String("trigger", string(rec.Trigger)),
		slog.String("outcome", string(rec.Outcome)), slog.Float64("seconds", Seconds(rec)), slog.Int("steps", len(rec.Steps)),
	}
	if rec.Reason != "" {
		attrs = append(attrs, slog.String("reason", rec.Reason))
	}
	l.Logger.LogAttrs(context.Background(), level, "hook ended", attrs...)
}

// Seconds returns how long a run has taken so far, to the millisecond.
func Seconds(rec state.Record) float64 { return hooks.Seconds(took(rec)) }

func took(rec state.Record) time.Duration {
	end := time.Now()
	if rec.End != nil {
		end = *rec.End
	}
	return end.Sub(rec.Start).Round(time.Millisecond)
}
