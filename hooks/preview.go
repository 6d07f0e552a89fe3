package hooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// Preview is what a call of a hook would do now.
type Preview struct {
	Hook    string        `json:"hook"`
	Source  string        `json:"source,omitempty"`
	Trigger state.Trigger `json:"trigger"`
	// Runs is false if the call would run nothing. Reason says why.
	Runs   bool   `json:"runs"`
	Reason string `json:"reason,omitempty"`
	// Seconds is how long the run may take. Cut says why that is less than the hook's
	// timeout.
	Seconds float64         `json:"seconds,omitempty"`
	Cut     string          `json:"cut,omitempty"`
	Steps   []PreviewedStep `json:"steps"`
}

// PreviewedStep is a step or one script of a step, in the order of the records.
type PreviewedStep struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Group is the name of the step's group.
	Group string `json:"group,omitempty"`
	// Skipped says why the step would be skipped, and Error why it cannot run.
	Skipped string `json:"skipped,omitempty"`
	Error   string `json:"error,omitempty"`
	// Argv is the command that would be started. It includes the interpreter of a
	// script that cannot be started by itself. Does describes a step without a program.
	Argv       []string `json:"argv,omitempty"`
	Does       string   `json:"does,omitempty"`
	User       string   `json:"user,omitempty"`
	WorkingDir string   `json:"workingDir,omitempty"`
	// NoNewPrivileges says that the program can gain no privileges.
	NoNewPrivileges bool `json:"noNewPrivileges,omitempty"`
	// Quiet says that what the program prints is dropped.
	Quiet bool `json:"quiet,omitempty"`
	// TimeoutSeconds bounds each attempt; 0 means that only the run's end does. The
	// scripts of a directory share the timeout and the retries.
	TimeoutSeconds float64 `json:"timeoutSeconds,omitempty"`
	// EndSeconds is the latest end of the step, counted from the begin of the run.
	EndSeconds     float64       `json:"endSeconds"`
	Retries        int           `json:"retries,omitempty"`
	BackoffSeconds float64       `json:"backoffSeconds,omitempty"`
	OnFailure      config.Policy `json:"onFailure"`
	Always         bool          `json:"always,omitempty"`
}

// Preview returns what a call would run now, in which order and until when, and why it
// would skip steps. It runs nothing and changes nothing. The error is an
// *UnknownHookError or that of Options.Config.
func (r *Runner) Preview(name string, req Request) (Preview, error) {
	if r.Options.Disabled {
		return Preview{Hook: name, Trigger: req.Trigger, Reason: bypassReason, Steps: []PreviewedStep{}}, nil
	}
	cfg, err := r.Options.Config()
	if err != nil {
		return Preview{}, err
	}
	hook, err := Find(cfg, name)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Hook: name, Source: cfg.Source, Trigger: req.Trigger}
	previous := r.before(&p, hook, &req)
	x := r.newRun(hook, cfg.Source, req, &journal{previous: previous})
	p.Seconds = Seconds(x.budget.deadline.Sub(x.rec.Start))
	if x.budget.cut {
		p.Cut = fmt.Sprintf("the grace period of %v leaves no more, with %v for the main process to stop in and %v to kill",
			r.Options.Grace.Period, r.Options.Grace.Margin, x.budget.killAfter.Round(time.Millisecond))
	}
	list := plan(hook)
	x.rec.Steps = records(list, x.before())
	p.Steps = make([]PreviewedStep, 0, len(x.rec.Steps))
	for i := range list {
		p.Steps = x.preview(p.Steps, &list[i], i)
	}
	return p, nil
}

// before decides whether the call would run the hook, as resolve does. It returns the
// record of the run before, if that is a good one.
func (r *Runner) before(p *Preview, hook *config.Hook, req *Request) (previous state.Record) {
	wrong := r.Options.StoreErr
	if r.Options.Store != nil {
		h := r.Options.Store.Hook(hook.Name)
		var err error
		previous, _, err = h.Read()
		var full *state.FullError
		if wrong = r.Options.Store.Check(); errors.As(wrong, &full) && h.Reserved() {
			wrong = nil // space for the record is reserved
		}
		if doubtful(err) {
			wrong = err
		}
	}
	if previous.Outcome == state.Running && r.Current(previous) {
		p.Reason = "run " + previous.RunID + " is going on: the call joins it"
		return previous
	}
	if r.stands(hook, previous, req) {
		p.Reason = "succeeded in this instance, in run " + previous.RunID + "; --force runs it again"
		return previous
	}
	err := refused(hook, wrong)
	p.Runs = err == nil
	switch {
	case err != nil:
		p.Reason = err.Error()
	case wrong != nil:
		p.Reason = "nothing of it can be recorded: " + wrong.Error()
	case previous.RunID != "":
		p.Reason = "run " + previous.RunID + " of this instance has ended: " + string(previous.Outcome)
	}
	return previous
}

// preview appends the units of the hook's n-th step.
func (x *run) preview(list []PreviewedStep, w *work, n int) []PreviewedStep {
	reason := x.skip(w)
	ctx, cancel := x.timeFor(context.Background(), n)
	end, _ := ctx.Deadline()
	cancel()
	for _, u := range w.all() {
		timeout, own := u.step.Timeout, w.step.Timeout // of the step and of its group
		if timeout == 0 || own > 0 && own < timeout {
			timeout = own
		}
		s := PreviewedStep{
			Name: u.name, Kind: u.step.Action.Kind(), Skipped: reason,
			Argv: hideURLs(u.argv), Does: u.step.Action.Does(), WorkingDir: u.step.WorkingDir,
			TimeoutSeconds: Seconds(timeout), EndSeconds: Seconds(end.Sub(x.rec.Start)),
			Retries: u.step.Retry.Times, BackoffSeconds: Seconds(u.step.Retry.Backoff),
			NoNewPrivileges: u.step.NoNewPrivileges, Quiet: u.step.Quiet, OnFailure: u.step.OnFailure, Always: w.step.Always,
		}
		if rec := &x.rec.Steps[u.at]; rec.DoneIn != "" {
			s.Skipped = onceReason(rec)
		}
		if u.err != nil {
			s.Error = u.err.Error()
		}
		if u.step.User != nil {
			s.User = u.step.User.String()
		}
		if w.members != nil {
			s.Group = w.step.Name
		}
		list = append(list, s)
	}
	return list
}

func hideURLs(argv []string) []string {
	shown := slices.Clone(argv)
	for i, arg := range shown {
		shown[i] = config.HideURLs(arg)
	}
	return shown
}

// Seconds returns a duration in seconds, rounded to the millisecond. It returns 1.118
// where Duration.Seconds, which adds two numbers, returns 1.1179999999999999.
func Seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}
