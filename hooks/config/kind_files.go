package config

import (
	"io/fs"
	"strconv"
	"strings"
)

const defaultMode = fs.FileMode(0o644)

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

// readRemove reads the path to remove.
func readRemove(d *decoder, v value) Action {
	path := d.absPath(v)
	if path == "" {
		return nil
	}
	if strings.Trim(path, "/.") == "" {
		d.refuse(v, "the path of a file or an empty directory")
		return nil
	}
	return Remove{Path: path}
}

// filePath is the path of a file, not of a directory.
func (d *decoder) filePath(v value) string {
	path := d.absPath(v)
	if strings.HasSuffix(path, "/") {
		d.refuse(v, "the path of a file, which does not end in /")
	}
	return path
}

// mode is a file's permission, octal as for chmod(1).
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
