package config

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

const defaultMode = fs.FileMode(0o644)

// Write writes a file. A reader sees the old content or the new.
type Write struct {
	File    string
	Content string
	Mode    fs.FileMode
}

func (Write) Kind() string                    { return "write" }
func (a Write) Does() string                  { return a.File }
func (Write) WaitsFor() string                { return "" }
func (Write) NeedsMain() bool                 { return false }
func (a Write) detail() string                { return path.Base(a.File) }
func (Write) worst(s *Step) (WorstStep, bool) { return s.worstOf(s.Timeout) }
func (Write) alwaysTimeout() time.Duration    { return alwaysQuick }
func (a Write) preflight(p *Preflight)        { p.target(", write", a.File) }

// readWrite reads the file to write.
func readWrite(d *decoder, v value) Action {
	before := d.found()
	w := Write{Mode: defaultMode}
	d.fields(v, "a mapping such as {file: /shared/ready, content: \"yes\\n\"}", []field{
		{"file", func(v value) { w.File = d.filePath(v) }},
		{"content", private(func(v value) { w.Content, _ = d.text(v, "a text") })},
		{"mode", func(v value) { w.Mode = d.mode(v) }},
	})
	if lacks(v, "file") {
		d.wrong(v, "has no file; an absolute path is needed")
	}
	if d.found() > before {
		return nil
	}
	return w
}

// filePath reads the path of a file.
func (d *decoder) filePath(v value) string {
	path := d.absPath(v)
	if strings.HasSuffix(path, "/") {
		d.refuse(v, "the path of a file, which does not end in /")
	}
	return path
}

// mode reads the permissions of a file, in octal as for chmod(1).
func (d *decoder) mode(v value) fs.FileMode {
	const allowed = "the permissions of a file in octal, such as 0644"
	text, ok := d.text(v, allowed)
	if !ok {
		return defaultMode
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	if err != nil || n > 0o777 || len(text) < 3 {
		d.refuse(v, allowed)
	}
	return fs.FileMode(n)
}
