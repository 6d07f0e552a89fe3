package config

import "path"

// readScripts reads the directory of a scripts step, alone or with a pattern for
// the scripts' names.
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
