package show

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// The messages of the log that the form for people words as a sentence (phrases).
const (
	msgOutput      = "step output"
	msgWords       = "step"
	msgBegan       = "hook began"
	msgEnded       = "hook ended"
	msgStepEnded   = "step ended"
	msgStepSkipped = "step skipped"

	MainStarted = "main process started"
	MainEnded   = "main process ended"
	StopSignal  = "stop signal received"
	StopReason  = "stop reason"
	UnknownPath = "request for an unknown path"
	Refused     = "request refused"
	Figures     = "figures"
)

// NewLogger returns the logger of the container's log.
func NewLogger(w io.Writer, format settings.LogFormat) *slog.Logger {
	switch format {
	case settings.JSON:
		return slog.New(slog.NewJSONHandler(w, nil))
	case settings.Logfmt:
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(textHandler{w: w})
}

// Log logs what happens as it happens: every line that a step prints, failures, and the
// begin and end of every run.
type Log struct {
	Logger *slog.Logger
	// NoEnds leaves out the begins and ends of runs, for a caller that shows them itself.
	NoEnds bool
}

// Began logs the begin of a run.
func (l Log) Began(rec state.Record) {
	if l.NoEnds {
		return
	}
	attrs := []any{"hook", rec.Hook, "run", rec.RunID, "trigger", string(rec.Trigger)}
	if rec.Unclean && rec.Hook == config.Prestart {
		attrs = append(attrs, "after", "an unclean end")
	}
	l.Logger.Info(msgBegan, attrs...)
}

// Line logs one line of a step, or podhook's own words about it.
func (l Log) Line(line hooks.Line) {
	if line.Line.Stream != hooks.Own {
		l.Logger.Info(msgOutput, "hook", line.Hook, "step", line.Step, "run", line.RunID,
			"stream", string(line.Line.Stream), "line", line.String())
		return
	}
	level := slog.LevelInfo
	if line.Trouble {
		level = slog.LevelWarn
	}
	l.Logger.Log(context.Background(), level, msgWords, "hook", line.Hook, "step", line.Step, "run", line.RunID, "line", line.String())
}

// StepEnded logs a step that did not succeed. One that is skipped is no trouble.
func (l Log) StepEnded(hook, runID string, step state.StepRecord) {
	switch step.Outcome {
	case state.Succeeded:
	case state.Skipped:
		l.Logger.Info(msgStepSkipped, "hook", hook, "step", step.Name, "run", runID, "reason", step.Error)
	default:
		l.Logger.Warn(msgStepEnded, "hook", hook, "step", step.Name, "run", runID,
			"outcome", OutcomeWords(step.Outcome), "error", step.Error)
	}
}

// Ended logs the end of a run.
func (l Log) Ended(rec state.Record) {
	if l.NoEnds {
		return
	}
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
	l.Logger.LogAttrs(context.Background(), level, msgEnded, attrs...)
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
