package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/agent/timeline"
	"github.com/podhook/podhook/hooks/state"
)

// defineStatus shows the hooks, their last runs and the main process.
func defineStatus(inv *invocation, fs *flag.FlagSet) action {
	v := &statusView{form: formFlag(fs, "table", "json")}
	fs.BoolVar(&v.timeline, "timeline", false, "draw the steps of the last runs as bars, and list the runs before them")
	fs.BoolVar(&v.watch, "watch", false, "show it again every second, until interrupted")
	inv.settingFlags(fs, "config")
	return func(ctx context.Context, _ []string) int { return v.status(ctx, inv) }
}

// statusView says what is shown of the status, and how.
type statusView struct {
	form            *choice
	timeline, watch bool
}

// watchInterval is the pause between two looks of --watch.
const watchInterval = time.Second

// status shows the status once, or again and again.
func (v *statusView) status(ctx context.Context, inv *invocation) int {
	if !v.watch {
		return v.once(inv, inv.stdout)
	}
	if v.form.is("json") {
		return inv.fail(usagef("status: --watch is for people; -o json shows the status once"))
	}
	ctx, stop := untilStopped(ctx)
	defer stop()
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		var screen bytes.Buffer
		if code := v.once(inv, &screen); code != exitOK {
			return code
		}
		if _, err := io.WriteString(inv.stdout, clearScreen(inv.stdout)+screen.String()); err != nil {
			return inv.done(err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return interruptedCode(ctx)
		}
	}
}

// clearScreen moves a terminal's cursor home and clears what follows.
func clearScreen(w io.Writer) string {
	if isTerminal(w) {
		return "\x1b[H\x1b[J"
	}
	return ""
}

func (v *statusView) once(inv *invocation, w io.Writer) int {
	c, err := openState(inv, show.ContainerLog())
	if err != nil {
		return inv.fail(err)
	}
	configuration, err := agent.LoadForExec(agent.SourceOf(c.settings, inv.env), c.store, c.logger)
	if err != nil {
		return inv.fail(err)
	}
	st, err := agent.NewStatus(version, c.settings, configuration, c.store, c.finder)
	if err != nil {
		return inv.fail(err)
	}
	if v.form.is("json") {
		return inv.done(writeJSON(w, st))
	}
	return inv.done(v.table(w, st))
}

func (v *statusView) table(w io.Writer, st agent.Status) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "instance\t%s\nstate\t%s\nconfiguration\t%s\n", st.Instance, st.StateDir, st.Config.Source)
	if st.Disabled {
		fmt.Fprintln(tw, "disabled\tPODHOOK_DISABLED is true: hooks are bypassed")
	}
	if st.Config.Refused != "" {
		fmt.Fprintf(tw, "refused\t%s\n", oneLine(st.Config.Refused))
	}
	if m := st.Main; m != nil && m.Error != "" {
		fmt.Fprintf(tw, "main process\t%s\n", oneLine(m.Error)) // it names the target
	} else if m != nil {
		fmt.Fprintf(tw, "main process\t%s: %d (%s)\n", m.Target, m.PID, m.Name)
	}
	if st.StopReason != "" {
		fmt.Fprintf(tw, "stop reason\t%s\n", st.StopReason)
	}
	fmt.Fprintln(tw, "\nHOOK\tOUTCOME\tTRIGGER\tSTARTED\tSECONDS\tREASON")
	for _, h := range st.Hooks {
		hookRow(tw, h)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, h := range st.Hooks {
		if h.LastRun == nil || len(h.LastRun.Steps) == 0 {
			continue
		}
		if v.timeline {
			drawRun(w, h)
			continue
		}
		if err := stepRows(w, h); err != nil {
			return err
		}
		tails(w, h)
	}
	return nil
}

func hookRow(w io.Writer, h agent.HookStatus) {
	rec := h.LastRun
	switch {
	case h.Error != "":
		fmt.Fprintf(w, "%s\tunknown\t-\t-\t-\t%s\n", h.Name, oneLine(h.Error))
	case rec == nil:
		fmt.Fprintf(w, "%s\t-\t-\t-\t-\t%s, not run in this instance\n", h.Name, show.Count(h.Steps, "step"))
	default:
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", h.Name, rec.Outcome, rec.Trigger,
			rec.Start.UTC().Format(time.RFC3339), seconds(rec.Outcome, &rec.Start, rec.End), oneLine(rec.Reason))
	}
}

// seconds returns how long a run or a step has taken so far, or "-" if that is not
// known, because its process was killed.
func seconds(outcome state.Outcome, start, end *time.Time) string {
	if end == nil && outcome == state.Running {
		now := time.Now()
		end = &now
	}
	if start == nil || end == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", end.Sub(*start).Seconds())
}

func stepRows(w io.Writer, h agent.HookStatus) error {
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "STEP OF %s\tKIND\tOUTCOME\tSECONDS\tDETAIL\n", h.Name)
	for _, s := range h.LastRun.Steps {
		outcome := s.Outcome
		if outcome == state.Pending {
			outcome = "-"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Kind, outcome, seconds(s.Outcome, s.Start, s.End), oneLine(detail(s)))
	}
	return tw.Flush()
}

// detail returns why a step has failed, or what it waits for.
func detail(s state.StepRecord) string {
	if s.Outcome != state.Running {
		return s.Error
	}
	var parts []string
	if s.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("attempt %d", s.Attempt))
	}
	if s.Waiting != "" {
		parts = append(parts, "waiting: "+s.Waiting)
	}
	return strings.Join(parts, ", ")
}

// tails prints the last lines of the steps that did not succeed.
func tails(w io.Writer, h agent.HookStatus) {
	for _, s := range h.LastRun.Steps {
		if s.Outcome == state.Succeeded || len(s.Tail) == 0 {
			continue
		}
		fmt.Fprintf(w, "\nlast lines of %s in %s:\n", s.Name, h.Name)
		for _, line := range s.Tail {
			fmt.Fprintf(w, "  %s\n", oneLine(line))
		}
	}
}

// drawRun draws the last run of a hook, and lists those before it, the newest first.
func drawRun(w io.Writer, h agent.HookStatus) {
	run := timeline.Of(h.LastRun, time.Now())
	fmt.Fprintf(w, "\n%s, %.3f s\n", h.Name, run.Whole.Seconds())
	run.Print(w, oneLine)
	for _, past := range slices.Backward(h.History) {
		if past.RunID != h.LastRun.RunID {
			fmt.Fprintf(w, "  before: %s %s, called by %s, %s s %s\n", past.Start.UTC().Format(time.RFC3339), past.Outcome, past.Trigger,
				seconds(past.Outcome, &past.Start, past.End), oneLine(past.Reason))
		}
	}
}
