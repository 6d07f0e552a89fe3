package config

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/podhook/podhook/hooks/executable"
	"github.com/podhook/podhook/hooks/userfile"
)

// Remove removes a file or an empty directory. It succeeds if there is none.
type Remove struct{ Path string }

func (Remove) Kind() string                    { return "remove" }
func (a Remove) Does() string                  { return a.Path }
func (Remove) WaitsFor() string                { return "" }
func (Remove) NeedsMain() bool                 { return false }
func (a Remove) detail() string                { return path.Base(a.Path) }
func (Remove) worst(s *Step) (WorstStep, bool) { return s.worstOf(s.Timeout) }
func (Remove) alwaysTimeout() time.Duration    { return alwaysQuick }

func (a Remove) preflight(p *Preflight) {
	info, err := os.Lstat(a.Path)
	if executable.Missing(err) {
		return
	}
	msg, _ := badParent(a.Path)
	switch {
	case err != nil:
	case info.Mode()&fs.ModeDevice != 0:
		msg = "a device; podhook removes none"
	case userfile.IsMount(a.Path):
		msg = "a mount, which cannot be removed"
	}
	p.failed(", remove", a.Path, msg)
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
