package mainprocess

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/executable"
	"github.com/podhook/podhook/hooks/procfs"
)

// whyNone says why no process matches: what is wrong with the target if that is known,
// and otherwise what was searched.
func (t Target) whyNone(all map[int]procfs.Stat, unreadable int) string {
	if err := t.Check(); err != nil {
		return err.Error()
	}
	what := "has this name"
	if t.kind == kindExe {
		what = "runs this program"
	}
	why := fmt.Sprintf("none of the %d visible processes %s", len(all), what)
	if near := t.nearest(all); near != "" {
		why += fmt.Sprintf("; there is %s", near)
	}
	if unreadable > 0 {
		why += fmt.Sprintf("; %d of them do not let user %d see their program", unreadable, os.Geteuid())
	}
	return why + ownProcesses()
}

// nearest returns the target that was probably meant, or "".
func (t Target) nearest(all map[int]procfs.Stat) string {
	found := make(map[string]string) // targets by name
	for pid, s := range all {
		if t.kind == kindName {
			found[s.Comm] = "name:" + s.Comm
		} else if link, err := os.Readlink(procfs.Proc.Path(pid, "exe")); err == nil {
			found[path.Base(link)] = "exe:" + link
		}
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	return found[config.Nearest(path.Base(t.value), names)]
}

// Check returns an error where no process can ever match: the exe of a process is never
// a script.
func (t Target) Check() error {
	if t.kind != kindExe || !executable.IsScript(t.value) {
		return nil // the file may be in another container
	}
	interpreter := cmp.Or(executable.Interpreter(t.value), "its interpreter")
	return fmt.Errorf("it is a script, and a script has no exe of its own: its process runs %s; use name:%s or pidfile:PATH",
		interpreter, path.Base(t.value))
}

// ownProcesses returns a note where this process sees no process of another container:
// then all processes are in its own cgroup (cgroups(7)).
func ownProcesses() string {
	own, err := os.ReadFile(procfs.Proc.Path(procfs.Self, "cgroup"))
	if err != nil {
		return ""
	}
	all, err := procfs.Proc.Programs()
	if err != nil {
		return ""
	}
	for pid := range all {
		cgroup, err := os.ReadFile(procfs.Proc.Path(pid, "cgroup"))
		if err == nil && !bytes.Equal(cgroup, own) || errors.Is(err, fs.ErrPermission) {
			return ""
		}
	}
	return "; all visible processes are in this container: those of other containers are visible only with shareProcessNamespace: true"
}
