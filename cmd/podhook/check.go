package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/config"
)

// checked is the result of podhook check, as -o json shows it.
type checked struct {
	OK       bool      `json:"ok"`
	Source   string    `json:"source,omitempty"`
	Hooks    int       `json:"hooks"`
	Steps    int       `json:"steps"`
	StateDir string    `json:"stateDir,omitempty"`
	Findings []finding `json:"findings"`
}

// finding is one problem.
type finding struct {
	Severity string `json:"severity"` // error or warning
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Field    string `json:"field,omitempty"`
	Value    string `json:"value,omitempty"`
	Message  string `json:"message"`
}

// defineCheck checks the settings and hooks. It runs no step and leaves no file behind.
func defineCheck(inv *invocation, fs *flag.FlagSet) action {
	grace := durationFlag(fs, "grace", 0, "the pod's grace period is `DURATION`; a worst case that is longer is an error")
	form := formFlag(fs, "table", "json")
	inv.settingFlags(fs, "config", "listen")
	return func(context.Context, []string) int { return check(inv, *grace, form.is("json")) }
}

func check(inv *invocation, grace time.Duration, asJSON bool) int {
	r := &checked{OK: true, Findings: []finding{}}
	if err := r.look(inv, grace); err != nil {
		return inv.fail(err)
	}
	var err error
	if asJSON {
		err = writeJSON(inv.stdout, r)
	} else {
		err = r.table(inv.stdout)
	}
	switch {
	case err != nil:
		return inv.fail(err)
	case !r.OK:
		return exitUsage
	}
	return exitOK
}

// look adds the findings. It returns an error only for bad usage.
func (r *checked) look(inv *invocation, grace time.Duration) error {
	c, err := openSettings(inv, show.ContainerLog())
	var bad *settings.Error
	if errors.As(err, &bad) {
		for _, problem := range bad.Problems {
			name, msg, _ := strings.Cut(problem, ": ")
			r.add("error", config.Problem{Field: name, Msg: msg})
		}
		return nil
	} else if err != nil {
		return err
	}
	budget := "warning"
	if grace != 0 {
		if grace <= c.settings.GraceMargin {
			return usagef("check: --grace %v: more than PODHOOK_GRACE_MARGIN (%v) is needed", grace, c.settings.GraceMargin)
		}
		c.settings.GracePeriod, budget = grace, "error"
	}
	if c.openStore(false); c.store != nil {
		defer c.store.Unmake()
		r.StateDir = c.store.Dir()
		c.storeErr = c.store.Check()
	}
	r.addSetting("error", "state", r.StateDir, c.storeErr)
	r.addSetting("error", "PODHOOK_LISTEN", string(c.settings.Listen), c.portFree())
	if log := c.settings.TerminationLog; log != "" && log != settings.Off {
		r.addSetting("error", "PODHOOK_TERMINATION_LOG", log, config.Writable(log))
	}
	if c.settings.Disabled {
		r.addSetting("warning", "PODHOOK_DISABLED", "true", errors.New("no hook will be run"))
	}
	cfg, err := config.Load(agent.SourceOf(c.settings, inv.env))
	var broken *config.Errors
	if errors.As(err, &broken) {
		r.add("error", broken.Problems...)
		return nil
	} else if err != nil {
		return err
	}
	r.Source, r.Hooks = cfg.Source, len(cfg.Hooks)
	for _, hook := range cfg.Hooks {
		for range hook.Each {
			r.Steps++
		}
	}
	look := config.Preflight{AllowExposed: c.settings.AllowWorldWritable, AsUsers: true}
	look.Look(cfg)
	r.add("error", look.Failed...)
	r.add("error", c.badTargets(cfg)...)
	r.add(budget, cfg.Check(c.settings.GracePeriod, c.settings.GraceMargin)...)
	r.add("warning", cfg.Warnings...)
	r.add("warning", look.Warnings...)
	if err := c.findMain(); err == nil && c.finder == nil {
		for _, problem := range cfg.NeedMain() {
			problem.Msg += "; podhook run needs none"
			r.add("warning", problem)
		}
	}
	return nil
}

// badTargets returns the processes of PODHOOK_MAIN and of signal steps that can never
// be found.
func (c *container) badTargets(cfg *config.Config) (list []config.Problem) {
	look := func(at config.Problem) {
		target, err := mainprocess.Parse(at.Value)
		if err == nil {
			err = target.Check()
		}
		if err != nil {
			at.Msg = err.Error()
			list = append(list, at)
		}
	}
	if c.settings.Main != "" {
		look(config.Problem{Field: "PODHOOK_MAIN", Value: c.settings.Main})
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Hooks)) {
		hook := cfg.Hooks[name]
		for name, step := range hook.Each {
			if signal, ok := step.Action.(config.Signal); ok && signal.To != "" {
				look(config.Problem{Pos: step.Pos, Field: fmt.Sprintf("hooks.%s, step %s, signal", hook.Name, name), Value: signal.To})
			}
		}
	}
	return list
}

func (r *checked) add(severity string, problems ...config.Problem) {
	for _, p := range problems {
		r.OK = r.OK && severity != "error"
		r.Findings = append(r.Findings, finding{severity, p.Pos.File, p.Pos.Line, p.Field, p.Value, p.Msg})
	}
}

func (r *checked) addSetting(severity, name, value string, err error) {
	if err != nil {
		r.add(severity, config.Problem{Field: name, Value: value, Msg: err.Error()})
	}
}

func (r *checked) table(w io.Writer) error {
	if len(r.Findings) > 0 {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "SEVERITY\tWHERE\tWHAT")
		for _, f := range r.Findings {
			where := config.Problem{Pos: config.Position{File: f.File, Line: f.Line}, Msg: f.Field}
			what := config.Problem{Value: f.Value, Msg: f.Message}
			fmt.Fprintf(tw, "%s\t%s\t%s\n", f.Severity, oneLine(where.Error()), oneLine(what.Error()))
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	if !r.OK {
		return nil
	}
	_, err := fmt.Fprintf(w, "podhook: %s is good: %s, %s; state in %s\n",
		r.Source, show.Count(r.Hooks, "hook"), show.Count(r.Steps, "step"), r.StateDir)
	return err
}

// portFree returns an error if the agent cannot listen. It is no error if the agent of
// this instance listens already.
func (c *container) portFree() error {
	address := string(c.settings.Listen)
	if address == "" {
		return nil
	}
	listener, err := agent.Listen(address, 1)
	if err == nil {
		return listener.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) && c.store != nil && agent.Answers(address, c.store.Instance().ID) {
		return nil
	}
	return err
}
