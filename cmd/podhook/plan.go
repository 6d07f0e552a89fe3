package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// definePlan shows what a call of a hook would do now, and runs nothing.
func definePlan(inv *invocation, fs *flag.FlagSet) action {
	trigger := choiceFlag(fs, "trigger", "who calls: `TRIGGER` is exec, http, signal, start or watch",
		string(state.TriggerExec), string(state.TriggerHTTP), string(state.TriggerSignal), string(state.TriggerStart), string(state.TriggerWatch))
	force := forceFlag(fs)
	form := formFlag(fs, "table", "json")
	inv.settingFlags(fs, "config")
	return func(ctx context.Context, words []string) int {
		by := state.Trigger(trigger.String())
		return plan(ctx, inv, words[0], hooks.Request{Trigger: by, Force: *force || by == state.TriggerWatch}, form.is("json"))
	}
}

func plan(ctx context.Context, inv *invocation, name string, request hooks.Request, asJSON bool) int {
	h, err := openHook(inv, name, request.Force, toRead)
	if err != nil {
		return inv.fail(err)
	}
	h.printRefused()
	p, err := hooks.New(ctx, h.options()).Preview(h.name, request)
	if err != nil {
		return inv.fail(err)
	}
	if asJSON {
		return inv.done(writeJSON(inv.stdout, p))
	}
	return inv.done(planTable(inv.stdout, p))
}

func planTable(w io.Writer, p hooks.Preview) error {
	verb := "would run nothing"
	if p.Runs {
		verb = "would run"
	}
	if p.Reason != "" {
		verb += ": " + p.Reason
	}
	cut := ""
	if p.Cut != "" {
		cut = "; " + p.Cut
	}
	fmt.Fprintf(w, "%s, called by %s, %s\n", p.Hook, p.Trigger, oneLine(verb))
	if p.Seconds > 0 {
		fmt.Fprintf(w, "by %s it may take %v%s\n", oneLine(p.Source), inSeconds(p.Seconds), cut)
	}
	if len(p.Steps) == 0 {
		_, err := fmt.Fprintln(w, "no steps")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nSTEP\tKIND\tDOES\tTIMEOUT\tENDS BY\tRETRIES\tON FAILURE\tNOTE")
	for _, s := range p.Steps {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t+%v\t%d\t%s\t%s\n", s.Name, s.Kind, oneLine(s.Does+words(s.Argv)),
			orDash(s.TimeoutSeconds), inSeconds(s.EndSeconds), s.Retries, s.OnFailure, oneLine(remarks(s)))
	}
	return tw.Flush()
}

// words returns a command line. Arguments with blanks are quoted.
func words(argv []string) string {
	shown := make([]string, len(argv))
	for i, arg := range argv {
		if shown[i] = arg; arg == "" || strings.ContainsAny(arg, " \t\n\"") {
			shown[i] = strconv.Quote(arg)
		}
	}
	return strings.Join(shown, " ")
}

// remarks returns the last column of a step.
func remarks(s hooks.PreviewedStep) string {
	var all []string
	for _, part := range [][2]string{{"skipped: ", s.Skipped}, {"cannot be run: ", s.Error},
		{"beside the others of ", s.Group}, {"as user ", s.User}, {"in ", s.WorkingDir}} {
		if part[1] != "" {
			all = append(all, part[0]+part[1])
		}
	}
	if s.NoNewPrivileges {
		all = append(all, "no new privileges")
	}
	if s.Always {
		all = append(all, "always")
	}
	return strings.Join(all, "; ")
}

func inSeconds(s float64) time.Duration { return time.Duration(math.Round(s*1000)) * time.Millisecond }

func orDash(s float64) string {
	if s == 0 {
		return "-"
	}
	return inSeconds(s).String()
}
