package agent

import (
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/podhook/podhook/agent/access"
	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// Status is the answer of GET /status and podhook status -o json.
type Status struct {
	Version  string `json:"version"`
	Disabled bool   `json:"disabled,omitempty"`
	// Ready is the answer of /readyz; podhook status does not have it.
	Ready    *bool        `json:"ready,omitempty"`
	NotReady string       `json:"notReady,omitempty"`
	Instance string       `json:"instance"`
	StateDir string       `json:"stateDir"`
	Config   ConfigStatus `json:"config"`
	Main     *MainStatus  `json:"main,omitempty"`
	// StopReason is that of the last shutdown or poststop, or empty.
	StopReason state.StopReason `json:"stopReason,omitempty"`
	Hooks      []HookStatus     `json:"hooks"`
	// Withheld says what this caller does not see.
	Withheld string `json:"withheld,omitempty"`
}

// ConfigStatus is the configuration in force.
type ConfigStatus struct {
	Source   string   `json:"source"`
	Refused  string   `json:"refused,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// MainStatus is the main process now.
type MainStatus struct {
	Target string `json:"target"`
	// State is running; exited, for one that was seen in this instance; not_started, for
	// one that podhook run will start; not_found, for one that was never seen; or unknown.
	State string `json:"state"`
	PID   int    `json:"pid,omitempty"`
	Name  string `json:"name,omitempty"`
	// Error says why State is not running.
	Error string `json:"error,omitempty"`
}

// HookStatus is one hook and its last run in this instance.
type HookStatus struct {
	Name           string        `json:"name"`
	TimeoutSeconds float64       `json:"timeoutSeconds"`
	Steps          int           `json:"steps"`
	LastRun        *state.Record `json:"lastRun,omitempty"`
	// History has the last runs that have ended, the oldest first.
	History []state.PastRun `json:"history,omitempty"`
	Error   string          `json:"error,omitempty"`
}

// NewStatus reads the status from the state. It needs no agent.
func NewStatus(version string, s *settings.Settings, c *Configuration, store *state.Store, finder *mainprocess.Finder) (Status, error) {
	cfg, err := c.Get()
	if err != nil {
		return Status{}, err
	}
	st := Status{Version: version, Disabled: s.Disabled, Instance: store.Instance().ID, StateDir: store.Dir(), StopReason: stopReason(store)}
	st.Config.Source = cfg.Source
	if _, refused := c.Refused(); refused != nil {
		st.Config.Refused = refused.Error()
	}
	for _, w := range cfg.Warnings {
		st.Config.Warnings = append(st.Config.Warnings, w.Error())
	}
	for _, name := range hookOrder(cfg) {
		st.Hooks = append(st.Hooks, hookStatus(cfg.Hooks[name], store))
	}
	if main, started, err := store.Main(); finder == nil && err == nil && started { // by podhook run
		finder = mainprocess.NewFinder(mainprocess.Started(main), nil)
	}
	if finder != nil {
		st.Main = mainStatus(finder)
	}
	return st, nil
}

// stopReason returns why the container is stopped, "" before shutdown.
func stopReason(store *state.Store) state.StopReason {
	for _, name := range []string{config.Poststop, config.Shutdown} {
		if rec, found, err := store.Hook(name).Read(); err == nil && found && rec.StopReason != "" {
			return rec.StopReason
		}
	}
	return ""
}

func hookStatus(hook *config.Hook, store *state.Store) HookStatus {
	hs := HookStatus{Name: hook.Name, TimeoutSeconds: hooks.Seconds(hook.Timeout), Steps: len(hook.Steps)}
	rec, found, err := store.Hook(hook.Name).Read()
	switch {
	case err != nil:
		hs.Error = err.Error()
	case found:
		hs.LastRun = &rec
		hs.History, _ = store.Hook(hook.Name).History() // it is worth less than the last run
	}
	return hs
}

func mainStatus(finder *mainprocess.Finder) *MainStatus {
	ms := &MainStatus{Target: finder.Target().String(), State: "running"}
	p, err := finder.Current()
	var gone *mainprocess.GoneError
	var none *mainprocess.NoneError
	switch {
	case errors.As(err, &gone) && gone.PID == 0:
		ms.State = "not_started"
	case errors.As(err, &gone):
		ms.State = "exited"
	case errors.As(err, &none):
		ms.State = "not_found"
	case err != nil:
		ms.State = "unknown"
	}
	if err != nil {
		ms.Error = err.Error()
		return ms
	}
	ms.PID, ms.Name = p.PID(), p.Name()
	return ms
}

// status answers for people and tools. The answer is larger than what kubelet reads.
func (a *Agent) status(w http.ResponseWriter, req *http.Request) {
	st, err := a.statusFor(req)
	if err != nil {
		answer(w, http.StatusInternalServerError, problem{err.Error()})
		return
	}
	if req.URL.Query().Has("pretty") {
		pretty(w, st)
		return
	}
	answer(w, http.StatusOK, st)
}

// statusFor is the status as this caller may see it.
func (a *Agent) statusFor(req *http.Request) (Status, error) {
	a.reading.Lock()
	st, err := NewStatus(a.Version, a.Settings, a.Configuration, a.Store, a.Finder)
	a.reading.Unlock()
	if err != nil {
		return st, err
	}
	st.NotReady = a.NotReady(req.Context())
	ready := st.NotReady == ""
	st.Ready = &ready
	if a.Access.Check(req, access.Output) != nil {
		st.withhold()
	}
	return st, nil
}

// withhold removes the output of steps, and what reasons quote of it.
func (st *Status) withhold() {
	st.Withheld = "the output of steps: it needs a token"
	st.NotReady = unquoted(st.NotReady)
	for i := range st.Hooks {
		for n := range st.Hooks[i].History {
			past := &st.Hooks[i].History[n]
			past.Reason = unquoted(past.Reason)
		}
		rec := st.Hooks[i].LastRun
		if rec == nil {
			continue
		}
		rec.Reason = unquoted(rec.Reason)
		for n := range rec.Steps {
			s := &rec.Steps[n]
			s.Tail, s.Error, s.Waiting = nil, unquoted(s.Error), unquoted(s.Waiting)
		}
	}
}

// quoted is a text that comes from outside, as %q writes it.
const quoted = `"(\\.|[^"\\])*("|$)`

// unquoted replaces what a reason quotes: an answer of a server, or a line of a file.
func unquoted(reason string) string {
	if !strings.Contains(reason, `"`) {
		return reason
	}
	return regexp.MustCompile(quoted).ReplaceAllString(reason, `"..."`)
}

// hookOrder returns the names of the hooks that always exist and then those of the user.
func hookOrder(cfg *config.Config) []string {
	names := config.Builtin()
	for _, name := range slices.Sorted(maps.Keys(cfg.Hooks)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
