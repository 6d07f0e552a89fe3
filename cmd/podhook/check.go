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

// checked is what check has found, as -o json shows it.
type checked struct {
	OK       bool      `json:"ok"`
	Source   string    `json:"source,omitempty"`
	Hooks    int       `json:"hooks"`
	Steps    int       `json:"steps"`
	StateDir string    `json:"stateDir,omitempty"`
	Findings []finding `json:"findings"`
}

// finding is one row of the table.
type finding struct {
	Severity string `json:"severity"` // error or warning
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Field    string `json:"field,omitempty"`
	Value    string `json:"value,omitempty"`
	Message  string `json:"message"`
}

// check proves what can be proved without running anything, and leaves nothing
// behind.
func check(_ context.Context, c *call) int {
	fs := flag.NewFlagSet("check", flag.ContinueOnError)
	grace := fs.Duration("grace", 0, "")
	asJSON, err := tableOrJSON(fs, c.args)
	if err != nil {
		return c.fail(err)
	}
	r := &checked{OK: true, Findings: []finding{}}
	if err := r.look(c, *grace); err != nil {
		return c.fail(err)
	}
	if asJSON {
		err = writeJSON(c.stdout, r)
	} else {
		err = r.table(c.stdout)
	}
	switch {
	case err != nil:
		return c.fail(err)
	case !r.OK:
		return exitUsage
	}
	return exitOK
}

// look does the checks. Its own error is one of usage.
func (r *checked) look(c *call, grace time.Duration) error {
	p, err := openSettings(c, show.ContainerLog())
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
		if grace <= p.settings.GraceMargin {
			return usagef("check: --grace %v: more than PODHOOK_GRACE_MARGIN (%v) is needed", grace, p.settings.GraceMargin)
		}
		p.settings.GracePeriod, budget = grace, "error"
	}
	if p.openStore(false); p.store != nil {
		defer p.store.Unmake()
		r.StateDir = p.store.Dir()
		p.storeErr = p.store.Check()
	}
	r.addSetting("error", "state", r.StateDir, p.storeErr)
	r.addSetting("error", "PODHOOK_LISTEN", string(p.settings.Listen), p.portFree())
	if log := p.settings.TerminationLog; log != "" && log != settings.Off {
		r.addSetting("error", "PODHOOK_TERMINATION_LOG", log, config.Writable(log))
	}
	if p.settings.Disabled {
		r.addSetting("warning", "PODHOOK_DISABLED", "true", errors.New("no hook will be run"))
	}
	cfg, err := config.Load(agent.SourceOf(p.settings, c.env))
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
	look := config.Preflight{AllowExposed: p.settings.AllowWorldWritable, AsUsers: true}
	look.Look(cfg)
	r.add("error", look.Failed...)
	r.add("error", p.badTargets(cfg)...)
	r.add(budget, cfg.Check(p.settings.GracePeriod, p.settings.GraceMargin)...)
	r.add("warning", cfg.Warnings...)
	r.add("warning", look.Warnings...)
	if err := p.findMain(); err == nil && p.finder == nil {
		for _, problem := range cfg.NeedMain() {
			problem.Msg += "; podhook run needs none"
			r.add("warning", problem)
		}
	}
	return nil
}

// badTargets are the processes of PODHOOK_MAIN and of signal steps that can never be
// found.
func (p *parts) badTargets(cfg *config.Config) (list []config.Problem) {
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
	if p.settings.Main != "" {
		look(config.Problem{Field: "PODHOOK_MAIN", Value: p.settings.Main})
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
	_, err := fmt.Fprintf(w, "podhook: %s is good: %d hooks, %d steps; state in %s\n", r.Source, r.Hooks, r.Steps, r.StateDir)
	return err
}

// portFree is an error where the agent could not listen. An agent of this
// instance may listen there already.
func (p *parts) portFree() error {
	address := string(p.settings.Listen)
	if address == "" {
		return nil
	}
	listener, err := agent.Listen(address, 1)
	if err == nil {
		return listener.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) && p.store != nil && agent.Answers(address, p.store.Instance().ID) {
		return nil
	}
	return err
}
