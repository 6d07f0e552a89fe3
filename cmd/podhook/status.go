package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/state"
)

// defineStatus shows the hooks, their last runs and the main process.
func defineStatus(inv *invocation, fs *flag.FlagSet) action {
	form := formFlag(fs, "table", "json")
	inv.settingFlags(fs, "config")
	return func(context.Context, []string) int { return status(inv, form.is("json")) }
}

func status(inv *invocation, asJSON bool) int {
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
	if asJSON {
		return inv.done(writeJSON(inv.stdout, st))
	}
	return inv.done(statusTable(inv.stdout, st))
}

func statusTable(w io.Writer, st agent.Status) error {
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
