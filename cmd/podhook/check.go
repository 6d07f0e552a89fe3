package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/config"
)

// checkFlags are the flags of podhook check.
type checkFlags struct {
	grace  *time.Duration
	syntax *bool
	asRun  *bool
	form   *choice
}

// defineCheck checks the settings and hooks. It runs no step and leaves no file behind.
func defineCheck(inv *invocation, fs *flag.FlagSet) action {
	f := &checkFlags{
		grace:  durationFlag(fs, "grace", 0, "the pod's grace period is `DURATION`; a worst case that is longer is an error"),
		syntax: fs.Bool("syntax", false, "look at the text alone, not at what only the image has"),
		asRun:  fs.Bool("run", false, "podhook run will be the entrypoint, and CMD the main process"),
		form:   formFlag(fs, "table", "json", "github"),
	}
	inv.settingFlags(fs, "config", "listen")
	return func(_ context.Context, words []string) int { return check(inv, f, words) }
}

func check(inv *invocation, f *checkFlags, words []string) int {
	r := &checked{OK: true, Findings: []finding{}}
	text, err := r.source(inv, words)
	if err == nil {
		if r.given = inv.settings[config.EnvFile]; r.given != "" {
			r.given = filepath.Clean(r.given)
			r.Source = r.given
		}
		err = r.look(inv, f, text)
	}
	if err == nil {
		err = r.write(inv.stdout, f.form.value)
	}
	switch {
	case err != nil:
		return inv.fail(err)
	case !r.OK:
		return exitUsage
	}
	return exitOK
}

// stdin is the FILE that means the standard input.
const stdin = "-"

// source takes the FILE of the command line for PODHOOK_CONFIG. It returns the text of
// the standard input.
func (r *checked) source(inv *invocation, words []string) (text string, err error) {
	switch {
	case len(words) > 1:
		return "", usagef("check: %q is one word too many", words[1])
	case len(words) == 0:
		return "", nil
	case words[0] == stdin:
		all, err := io.ReadAll(io.LimitReader(os.Stdin, 2<<20))
		return cmp.Or(string(all), "\n"), err // an empty text too is one to check
	case words[0] == "":
		return "", usagef("check: FILE is empty; name a file, or - for the standard input")
	}
	return "", inv.setting("Config", words[0])
}

// look adds the findings. It returns an error only for bad usage.
func (r *checked) look(inv *invocation, f *checkFlags, text string) error {
	c, err := openSettings(inv, show.ContainerLog())
	var bad *settings.Error
	if errors.As(err, &bad) {
		for _, problem := range bad.Problems {
			name, msg, _ := strings.Cut(problem, ": ")
			r.add("error", config.Problem{Field: name, Msg: msg})
		}
	} else if err != nil {
		return err
	}
	budget := "warning"
	if *f.grace != 0 {
		if *f.grace <= c.settings.GraceMargin {
			return usagef("check: --grace %v: more than PODHOOK_GRACE_MARGIN (%v) is needed", *f.grace, c.settings.GraceMargin)
		}
		c.settings.GracePeriod, budget = *f.grace, "error"
	}
	if !*f.syntax {
		r.lookAtContainer(c)
	}
	source := agent.SourceOf(c.settings, inv.env)
	r.file = source.File
	if text != "" {
		source.File, source.Text, source.TextName = "", text, "stdin"
	}
	cfg, broken := config.Inspect(source, *f.syntax)
	for i, p := range broken {
		if r.given != "" && p.Field == config.EnvFile {
			broken[i] = config.Problem{Pos: config.Position{File: p.Value}, Msg: p.Msg} // no variable was set
		}
	}
	r.add("error", broken...)
	if cfg.Source != "" {
		r.Source = r.shown(cfg.Source)
	}
	for _, hook := range cfg.Hooks {
		if len(hook.Steps) > 0 {
			r.Hooks++
		}
		for range hook.Each {
			r.Steps++
		}
	}
	look := config.Preflight{AllowExposed: c.settings.AllowWorldWritable, AsUsers: true}
	if !*f.syntax {
		look.Look(cfg)
		r.add("error", look.Failed...)
		r.add("error", c.badTargets(cfg)...)
		r.add("error", c.atOwnPorts(cfg)...)
		r.add("warning", c.hiddenEvents()...)
	}
	r.add("error", cfg.Hopeless()...)
	r.add(budget, cfg.Check(c.settings.GracePeriod, c.settings.GraceMargin)...)
	r.add("warning", cfg.Warnings...)
	r.add("warning", look.Warnings...)
	r.needMain(c, cfg, *f.asRun)
	return nil
}

// lookAtContainer adds what is wrong with the state, the port and the termination log.
func (r *checked) lookAtContainer(c *container) {
	if c.openStore(toTry); c.store != nil {
		defer c.store.Unmake()
		r.StateDir = c.store.Dir()
		c.storeErr = c.store.Check()
	}
	r.addSetting("error", "state", r.StateDir, c.storeErr)
	for _, err := range c.agentStarts() {
		var problem config.Problem
		if errors.As(err, &problem) {
			r.add("error", problem)
		}
	}
	if log := c.settings.TerminationLog; log != "" && log != settings.Off {
		r.addSetting("error", "PODHOOK_TERMINATION_LOG", log, config.Writable(log))
	}
	if c.settings.Disabled {
		r.addSetting("warning", "PODHOOK_DISABLED", "true", errors.New("no hook will be run"))
	}
}

// needMain warns of steps that need a main process where none is configured. podhook run
// has one.
func (r *checked) needMain(c *container, cfg *config.Config, asRun bool) {
	if err := c.findMain(); asRun || err != nil || c.finder != nil {
		return
	}
	for _, problem := range cfg.NeedMain() {
		problem.Msg += "; podhook run needs none (--run)"
		r.add("warning", problem)
	}
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

// agentStarts returns what keeps the agent from its start: its rights, its certificate, its
// addresses. If the agent of this instance listens already, it has them.
func (c *container) agentStarts() (problems []error) {
	_, err := agent.NewAccess(c.settings, c.logger)
	problems = append(problems, err)
	main, metrics := string(c.settings.Listen), string(c.settings.MetricsListen)
	if c.store != nil {
		if own, set := agent.OwnAgent(c.settings, c.store.Instance().ID); set && own.Answers() {
			main, metrics = "", ""
		}
	}
	doors, err := agent.OpenDoors(c.settings, c.logger, main, metrics)
	doors.Close()
	return append(problems, err)
}
