package config

import (
	"os"
	"path"
	"time"

	"github.com/podhook/podhook/hooks/executable"
)

// Scripts runs the scripts of a directory in byte order of their names.
type Scripts struct {
	Dir string
	// Match is a pattern of path.Match for their names; "" matches all.
	Match string
}

func (Scripts) Kind() string                    { return "scripts" }
func (Scripts) Does() string                    { return "" }
func (Scripts) WaitsFor() string                { return "" }
func (Scripts) NeedsMain() bool                 { return false }
func (a Scripts) detail() string                { return path.Base(a.Dir) }
func (Scripts) worst(s *Step) (WorstStep, bool) { return s.worstOpen() }
func (Scripts) alwaysTimeout() time.Duration    { return alwaysDefault }

// preflight looks at the directory. A user who can write to it can add a script,
// even if it has the sticky bit.
func (a Scripts) preflight(p *Preflight) {
	if info, err := os.Stat(a.Dir); err == nil && anybodys(a.Dir, info) {
		p.exposedAt(", scripts", a.Dir, a.Dir)
	}
}

func (a Scripts) programs(h *Hook, search executable.Search) (list []program) {
	for _, script := range h.Scripts(a) {
		if script.Err != nil {
			continue
		}
		p := program{name: script.Argv[0], file: script.Argv[0], search: search}
		if len(script.Argv) > 1 || executable.IsScript(script.Path) {
			p.script = script.Path
		}
		list = append(list, p)
	}
	return list
}

// readScripts reads a directory, alone or with a pattern for the names of scripts.
func readScripts(d *decoder, v value) Action {
	before := d.found()
	var s Scripts
	if v.node.Kind == scalarNode {
		s.Dir = d.absPath(v)
	} else {
		d.fields(v, "an absolute path, or a mapping such as {dir: /etc/podhook/shutdown.d, match: \"*.sh\"}", []field{
			{"dir", func(v value) { s.Dir = d.absPath(v) }},
			{"match", func(v value) { s.Match = d.pattern(v) }},
		})
		if lacks(v, "dir") {
			d.wrong(v, "has no dir; an absolute path is needed")
		}
	}
	if d.found() > before {
		return nil
	}
	return s
}

func (d *decoder) pattern(v value) string {
	const allowed = "a pattern of file names, such as *.sh or [0-9]*"
	text, ok := d.text(v, allowed)
	if !ok {
		return ""
	}
	if _, err := path.Match(text, ""); err != nil || text == "" || path.Base(text) != text {
		d.refuse(v, allowed)
	}
	return text
}
