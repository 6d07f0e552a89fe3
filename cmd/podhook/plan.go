package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// plan shows what a call of a hook would do now, and does nothing.
func plan(ctx context.Context, c *call) int {
	fs := flag.NewFlagSet("plan", flag.ContinueOnError)
	trigger := fs.String("trigger", string(state.TriggerExec), "")
	force := fs.Bool("force", false, "")
	names, asJSON, err := wordsAndForm(fs, c.args)
	if err == nil && len(names) != 1 {
		err = usagef("plan: the name of one hook is needed")
	}
	t := state.Trigger(*trigger)
	switch t {
	case state.TriggerExec, state.TriggerHTTP, state.TriggerSignal, state.TriggerStart:
	default:
		err = usagef("plan: --trigger: %q: allowed are exec, http, signal and start", *trigger)
	}
	if err != nil {
		return c.fail(err)
	}
	h, err := openHook(c, names[0], *force)
	if err != nil {
		return c.fail(err)
	}
	h.sayRefused()
	o := h.options(c)
	if h.configuration != nil {
		o.Config = h.configuration.Get
	}
	p, err := hooks.New(ctx, o).Preview(h.name, hooks.Request{Trigger: t, Force: h.force})
	if err != nil {
		return c.fail(err)
	}
	if asJSON {
		err = writeJSON(c.stdout, p)
	} else {
		err = planTable(c.stdout, p)
	}
	if err != nil {
		return c.fail(err)
	}
	return exitOK
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

// words are a command line that shows where each argument ends.
func words(argv []string) string {
	shown := make([]string, len(argv))
	for i, arg := range argv {
		if shown[i] = arg; arg == "" || strings.ContainsAny(arg, " \t\n\"") {
			shown[i] = strconv.Quote(arg)
		}
	}
	return strings.Join(shown, " ")
}

// remarks are what else there is to say of a step.
func remarks(s hooks.PreviewedStep) string {
	var all []string
	for _, part := range [][2]string{{"skipped: ", s.Skipped}, {"cannot be run: ", s.Error},
		{"beside the others of ", s.Group}, {"as user ", s.User}, {"in ", s.WorkingDir}} {
		if part[1] != "" {
			all = append(all, part[0]+part[1])
		}
	}
	if s.Always {
		all = append(all, "always")
	}
	return strings.Join(all, "; ")
}

func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func orDash(s float64) string {
	if s == 0 {
		return "-"
	}
	return inSeconds(s).String()
}
