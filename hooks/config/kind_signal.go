package config

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"
)

const targetRule = "main, pidfile:PATH, exe:PATH or name:NAME"

// Signal sends a signal.
type Signal struct {
	Signal syscall.Signal
	// To is "" for the main process, or pidfile:PATH, exe:PATH or name:NAME as in
	// PODHOOK_MAIN.
	To string
}

func (Signal) Kind() string                    { return "signal" }
func (a Signal) Does() string                  { return SignalName(a.Signal) + " to " + a.Target() }
func (Signal) WaitsFor() string                { return "" }
func (a Signal) NeedsMain() bool               { return a.To == "" }
func (Signal) worst(s *Step) (WorstStep, bool) { return s.worstOf(s.Timeout) }
func (Signal) alwaysTimeout() time.Duration    { return alwaysQuick }
func (Signal) preflight(*Preflight)            {}

// detail returns a name such as QUIT, or the number of a real-time signal.
func (a Signal) detail() string {
	name := SignalName(a.Signal)
	return strings.TrimPrefix(strings.TrimPrefix(name, "SIG"), "signal ")
}

// Target names the process that gets the signal.
func (a Signal) Target() string { return cmp.Or(a.To, "the main process") }

// readSignal reads a signal, alone or with a target.
func readSignal(d *decoder, v value) Action {
	before := d.found()
	var s Signal
	if v.node.Kind == scalarNode {
		s.Signal = d.signal(v)
	} else {
		d.fields(v, signalRule+", or a mapping such as {signal: QUIT, to: \"pidfile:/run/nginx.pid\"}", []field{
			{"signal", func(v value) { s.Signal = d.signal(v) }},
			{"to", func(v value) { s.To = d.target(v) }},
		})
		if lacks(v, "signal") {
			d.wrong(v, "has no signal; "+signalRule)
		}
	}
	if d.found() > before {
		return nil
	}
	return s
}

func (d *decoder) target(v value) string {
	text, ok := d.text(v, targetRule)
	if !ok || text == "main" {
		return ""
	}
	if err := checkTarget(text); err != nil {
		d.refuse(v, "%s", err)
	}
	return text
}

// checkTarget checks the process that gets a signal. Unlike PODHOOK_MAIN it refuses
// pid:N: the file is written before the process starts, so no number can be right.
func checkTarget(text string) error {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "pidfile", "exe":
		if path.IsAbs(rest) {
			return nil
		}
		return fmt.Errorf("%s: needs an absolute path after it", kind)
	case "name":
		if rest != "" && !strings.Contains(rest, "/") {
			return nil
		}
		return fmt.Errorf("name: needs a program's name without a / after it")
	}
	return fmt.Errorf("%s", targetRule)
}
