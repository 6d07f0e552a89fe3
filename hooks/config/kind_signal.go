package config

import (
	"fmt"
	"path"
	"strings"
)

const targetRule = "main, pidfile:PATH, exe:PATH or name:NAME"

// readSignal reads the signal, alone for the main process, or with a target.
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

// checkTarget leaves pid: out, which PODHOOK_MAIN has: in a file that is written
// before the process is there no number can be right.
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
