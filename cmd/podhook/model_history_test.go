package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A history is what the steps and the callers of their hooks have written, one event per
// line:
//
//	i                          a new instance begins; nothing of the one before lives
//	b HOOK STEP RUN ATTEMPT    a step begins
//	a HOOK STEP RUN ATTEMPT    a descendant of a step, in a session of its own, lives
//	e HOOK STEP RUN ATTEMPT N  a step ends, and its descendants with it; exit code N
//	ok HOOK RUN                a caller was told that this run succeeded
//	marker HOOK RUN            the marker was there, and named this run
//
// violations checks it against the contract, without asking podhook.
func violations(history []string, steps map[string][]string) (found []string) {
	m := &modelOfHooks{steps: steps}
	m.newInstance()
	for n, line := range history {
		for _, v := range m.event(strings.Fields(line)) {
			found = append(found, fmt.Sprintf("event %d, %q: %s", n, line, v))
		}
	}
	return found
}

// Steps whose names begin with once have once: true. A hook of this name is called
// with --force too, so that it may run again after a success.
const (
	oncePrefix = "once"
	forcedHook = "forced"
)

type modelOfHooks struct {
	steps map[string][]string
	hooks map[string]*modelOfHook
}

// modelOfHook is what must be true of one hook in one instance.
type modelOfHook struct {
	run       string // that was seen last
	over      map[string]bool
	step      string // that began last, with its attempt
	ended     map[string]map[string]string
	onceEnded map[string]bool // in whatever run
	recorded  map[string]bool // once steps that podhook knows to be done
	succeeded string          // the run that a caller was told of
}

func (m *modelOfHooks) newInstance() {
	m.hooks = map[string]*modelOfHook{}
	for name := range m.steps {
		m.hooks[name] = &modelOfHook{over: map[string]bool{}, ended: map[string]map[string]string{}, onceEnded: map[string]bool{}, recorded: map[string]bool{}}
	}
}

func (m *modelOfHooks) event(words []string) []string {
	if words[0] == "i" {
		m.newInstance()
		return nil
	}
	name := words[1]
	h := m.hooks[name]
	switch words[0] {
	case "ok":
		if name != forcedHook {
			h.succeeded = words[2]
		}
		return h.complete(words[2], m.steps[name])
	case "marker":
		return h.complete(words[2], m.steps[name])
	}
	step, run, attempt := words[2], words[3], words[4]
	found := h.follow(run)
	switch words[0] {
	case "b":
		found = append(found, h.begin(step, run)...)
		h.step = step + " " + attempt
	case "a":
		if h.step != step+" "+attempt {
			found = append(found, "a process of "+step+" lives, and "+h.step+" has begun")
		}
	case "e":
		if h.ended[run] == nil {
			h.ended[run] = map[string]string{}
		}
		h.ended[run][step] = words[5]
		if isOnce(step) && words[5] == "0" {
			h.onceEnded[step] = true
		}
	}
	return found
}

// follow: runs of a hook follow one another, and nothing of a run is left when the
// next one has begun.
func (h *modelOfHook) follow(run string) (found []string) {
	if run == h.run {
		return nil
	}
	if h.over[run] {
		found = append(found, "something of run "+run+" lives, and run "+h.run+" has begun")
	}
	h.over[h.run] = true
	h.run = run
	return found
}

func (h *modelOfHook) begin(step, run string) (found []string) {
	if h.succeeded != "" {
		found = append(found, "a run after the success of "+h.succeeded)
	}
	if h.recorded[step] {
		found = append(found, "the step is done once, and runs again")
	}
	// A step that begins shows that the ones before it are known to be done.
	for before, code := range h.ended[run] {
		if isOnce(before) && before != step && code == "0" {
			h.recorded[before] = true
		}
	}
	return found
}

// complete: at a success, every step has ended.
func (h *modelOfHook) complete(run string, steps []string) (found []string) {
	for _, step := range steps {
		if h.ended[run][step] != "0" && !(isOnce(step) && h.onceEnded[step]) {
			found = append(found, "run "+run+" has not ended "+step)
		}
	}
	return found
}

func isOnce(step string) bool { return strings.HasPrefix(step, oncePrefix) }

// TestViolations: the model finds each violation.
func TestViolations(t *testing.T) {
	steps := map[string][]string{"h": {"once", "s"}, forcedHook: {"s"}}
	whole := []string{"b h once 1 1", "a h once 1 1", "e h once 1 1 0", "b h s 1 1", "e h s 1 1 0"}
	for name, c := range map[string]struct {
		history []string
		want    string // "" for none
	}{
		"told":                     {append(slices.Clone(whole), "marker h 1", "ok h 1", "ok h 1"), ""},
		"interrupted, then told":   {[]string{"b h once 1 1", "e h once 1 1 0", "b h s 1 1", "b h s 2 1", "e h s 2 1 0", "ok h 2"}, ""},
		"once, not known":          {[]string{"b h once 1 1", "e h once 1 1 0", "b h once 2 1"}, ""},
		"retried":                  {append(slices.Clone(whole[:4]), "e h s 1 1 1", "b h s 1 2", "e h s 1 2 0", "ok h 1"), ""},
		"another instance":         {append(slices.Clone(whole), "ok h 1", "i", "b h once 2 1"), ""},
		"forced":                   {[]string{"b forced s 1 1", "e forced s 1 1 0", "ok forced 1", "b forced s 2 1"}, ""},
		"a second run":             {append(slices.Clone(whole), "ok h 1", "b h s 2 1"), "a run after the success of 1"},
		"two at once":              {[]string{"b h s 1 1", "b h s 2 1", "e h s 1 1 0"}, "something of run 1 lives, and run 2 has begun"},
		"a survivor of a run":      {[]string{"b h s 1 1", "b h s 2 1", "a h s 1 1"}, "something of run 1 lives, and run 2 has begun"},
		"a survivor of a step":     {[]string{"b h once 1 1", "b h s 1 1", "a h once 1 1"}, "a process of once lives, and s 1 has begun"},
		"a survivor of an attempt": {[]string{"b h s 1 1", "b h s 1 2", "a h s 1 1"}, "a process of s lives, and s 2 has begun"},
		"once, twice":              {append(slices.Clone(whole[:4]), "b h once 2 1"), "the step is done once, and runs again"},
		"told too soon":            {append(slices.Clone(whole[:4]), "ok h 1"), "run 1 has not ended s"},
		"told of a failure":        {append(slices.Clone(whole[:4]), "e h s 1 1 3", "ok h 1"), "run 1 has not ended s"},
		"marker too soon":          {append(slices.Clone(whole[:4]), "marker h 1"), "run 1 has not ended s"},
		"told of another instance": {append(slices.Clone(whole), "i", "ok h 1"), "run 1 has not ended"},
		"told of nothing":          {[]string{"ok h 1"}, "run 1 has not ended once"},
	} {
		got := violations(c.history, steps)
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) == 0 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
