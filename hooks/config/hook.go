package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/podhook/podhook/hooks/hookname"
)

// Builtin returns the names of the hooks that always exist, in the order in which a
// container runs them.
func Builtin() []string { return []string{Prestart, Shutdown, Poststop} }

func newHook(name string) *Hook {
	h := &Hook{Name: name, Timeout: defaultTimeout}
	switch name {
	case Prestart:
		h.Timeout = defaultPrestartTimeout
	case Shutdown:
		h.Timeout = defaultShutdownTimeout
	}
	return h
}

func addBuiltin(hooks map[string]*Hook) {
	for _, name := range Builtin() {
		if hooks[name] == nil {
			hooks[name] = newHook(name)
		}
	}
}

// config reads the whole document.
func (d *decoder) config(v value, c *Config) {
	const allowed = "a mapping with the keys hooks, ready and mask"
	before := d.found()
	v.secret = v.node.Kind == scalarNode // the file may be a wrong one, such as a token
	if v.isNull() {
		d.refuse(v, noHooks)
		return
	}
	d.fields(v, allowed, []field{
		{"hooks", func(v value) {
			if v.isNull() {
				d.refuse(v, noHooks)
				return
			}
			list, _ := d.entries(v, "a mapping of hook names, such as prestart and shutdown")
			for _, e := range list {
				h := newHook(e.key)
				h.Pos = Position{d.file, e.line}
				if isHookField(e) {
					d.add(Problem{Pos: h.Pos, Field: "hooks", Value: e.key, Msg: "is a field of a hook: indent it under the hook's name"})
					continue
				}
				if !hookname.Valid(e.key) {
					d.add(Problem{Pos: h.Pos, Field: "hooks", Value: safeKey(e.key), Msg: hookname.Rule + meantHint(e.key)})
				}
				d.hook(e.value, h)
				c.Hooks[h.Name] = h
			}
		}},
		{"ready", func(v value) { c.Ready = d.ready(v) }},
		{"mask", func(v value) {
			for _, item := range d.items(v, "a list of files, such as [/run/secrets/password]") {
				c.Mask = append(c.Mask, d.absPath(item))
			}
		}},
	})
	for _, h := range c.Hooks {
		h.Mask = c.Mask
	}
	if len(c.Hooks) == 0 && lacks(v, "hooks") && d.found() == before {
		d.wrong(v, "has no hooks; "+noHooks)
	}
}

// noHooks must be written explicitly, because a half written file has no hooks either.
const noHooks = "write hooks: {} to have none"

func (d *decoder) hook(v value, h *Hook) {
	const allowed = "a mapping with steps, timeout, paths, marker and watch"
	if v.resolved().isNull() {
		if hookname.Valid(h.Name) { // otherwise the name is the problem
			d.refuse(v, "%s; write {} for a hook that does nothing", allowed)
		}
		return
	}
	if v.resolved().node.Kind == yaml.SequenceNode {
		d.refuse(v, "%s; write steps: above the list", allowed)
		h.Steps = d.steps(v) // to find the problems of the steps too
		return
	}
	d.fields(v, allowed, []field{
		{"timeout", func(v value) {
			if t := d.duration(v); t != 0 {
				h.Timeout = t
			}
		}},
		{"paths", func(v value) { h.Paths = d.paths(v, h.Name) }},
		{"marker", func(v value) {
			if path := d.absPath(v); path != "" && d.claim(v, h.Name, "marker", path) {
				h.Marker = path
			}
		}},
		{"watch", func(v value) { h.Watch = d.watch(v, h.Name) }},
		{"debounce", func(v value) { h.Debounce = d.debounce(v) }},
		{"steps", func(v value) { h.Steps = d.steps(v) }},
	})
	d.checkWatch(v, h)
	if n := h.builtinSteps(); n > maxSteps {
		d.add(Problem{Pos: h.Pos, Field: "hooks." + h.Name, Msg: fmt.Sprintf("has %d steps; %d are allowed", n, maxSteps)})
	}
}

// isHookField reports whether a hook's name is that of a field, with the field's value:
// its line is not indented enough.
func isHookField(e entry) bool {
	kind := e.value.resolved().node.Kind
	switch e.key {
	case "steps", "paths", "watch":
		return kind == yaml.SequenceNode
	case "timeout", "marker", "debounce":
		return kind == scalarNode && !e.value.resolved().isNull()
	}
	return false
}

func (d *decoder) steps(v value) []*Step {
	const allowed = "a list of steps, such as [{sleep: 5s}]"
	if v.isNull() {
		d.refuse(v, allowed)
		return nil
	}
	var drafts []*stepDraft
	for _, item := range d.items(v, allowed) {
		drafts = append(drafts, d.step(item))
	}
	d.nameSteps(drafts)
	var list []*Step
	for _, draft := range drafts {
		list = append(list, draft.step)
	}
	return list
}

// MeantHook returns the built-in hook that another word stands for, such as preStop of
// Kubernetes, however it is written, or "".
func MeantHook(word string) string {
	meant := map[string]string{
		"poststart": Prestart, "prestart": Prestart, "prestop": Shutdown, "shutdown": Shutdown, "poststop": Poststop,
	}[fold(word)]
	if meant == word {
		return ""
	}
	return meant
}

// meantHint says which hook another word stands for.
func meantHint(word string) string {
	meant := MeantHook(word)
	switch {
	case meant == "":
		return ""
	case fold(word) == "poststart", fold(word) == "prestop":
		return "; the hook for Kubernetes' " + map[string]string{Prestart: "postStart", Shutdown: "preStop"}[meant] + " is " + meant
	}
	return fmt.Sprintf("; write %s", meant)
}

// hints warns of hooks that are valid but probably a mistake.
func hints(c *Config) []Problem {
	var list []Problem
	for _, name := range slices.Sorted(maps.Keys(c.Hooks)) {
		h := c.Hooks[name]
		if slices.Contains(Builtin(), name) || h.Pos.File == "" || len(h.Watch) > 0 && len(h.Steps) > 0 {
			continue
		}
		p := Problem{Pos: h.Pos, Field: "hooks." + name}
		if hint := meantHint(name); hint != "" {
			p.Msg = "a hook of your own that nothing calls by itself" + hint
			list = append(list, p)
		} else if near := Nearest(name, Builtin()); near != "" {
			p.Msg = fmt.Sprintf("a hook of your own that nothing calls by itself; did you mean %q?", near)
			list = append(list, p)
		}
		if len(h.Steps) == 0 {
			p.Msg = "has no steps; it succeeds at once and does nothing"
			list = append(list, p)
		}
	}
	return list
}

// NoMain is the error of a step or a command that needs the main process.
const NoMain = "no main process is configured: set PODHOOK_MAIN to pid:N, pidfile:PATH, exe:PATH or name:NAME"

// NeedMain returns a problem for each step that needs the main process, for a container
// without one.
func (c *Config) NeedMain() (list []Problem) {
	for _, h := range c.inOrder() {
		list = append(list, h.NeedMain()...)
	}
	return list
}

// NeedMain returns the problems of one hook, see Config.NeedMain.
func (h *Hook) NeedMain() (list []Problem) {
	for name, s := range h.Each {
		if s.Action.NeedsMain() {
			list = append(list, Problem{Pos: s.Pos, Field: fmt.Sprintf("hooks.%s, step %s", h.Name, name),
				Msg: NoMain})
		}
	}
	return list
}

// LongestKill returns the longest KillAfter of the hook's steps that start programs.
func (h *Hook) LongestKill() time.Duration {
	var longest time.Duration
	for _, s := range h.Each {
		if startsPrograms(s.Action) {
			longest = max(longest, s.KillAfter)
		}
	}
	return longest
}
