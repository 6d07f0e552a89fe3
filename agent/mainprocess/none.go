package mainprocess

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/podhook/podhook/hooks/config"
)

// whyNone says what a person needs to know where nothing matches: the mistake, if
// it can be seen, or else what was looked at.
func (t Target) whyNone(all map[int]stat, unreadable int) string {
	if err := t.Check(); err != nil {
		return err.Error()
	}
	what := "has this name"
	if t.kind == kindExe {
		what = "runs this program"
	}
	why := fmt.Sprintf("of the %d processes that can be seen none %s", len(all), what)
	if near := t.nearest(all); near != "" {
		why += fmt.Sprintf("; there is %s", near)
	}
	if unreadable > 0 {
		why += fmt.Sprintf("; %d of them do not let user %d see their program", unreadable, os.Geteuid())
	}
	return why + ownProcesses()
}

// nearest is what was probably meant, or "".
func (t Target) nearest(all map[int]stat) string {
	found := make(map[string]string) // what to write, by name
	for pid, s := range all {
		if t.kind == kindName {
			found[s.Comm] = "name:" + s.Comm
		} else if link, err := os.Readlink(procPath(pid, "exe")); err == nil {
			found[path.Base(link)] = "exe:" + link
		}
	}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	return found[config.Nearest(path.Base(t.value), names)]
}

// Check is an error where the target can never be found, whatever runs: an exe that
// is a script.
func (t Target) Check() error {
	if t.kind != kindExe {
		return nil
	}
	f, err := os.OpenFile(t.value, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil // it may be another container's
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	const longest = 256 // BINPRM_BUF_SIZE of linux/binfmts.h
	text, err := io.ReadAll(io.LimitReader(f, longest))
	line, found := strings.CutPrefix(string(text), "#!")
	if err != nil || !found {
		return nil
	}
	line, _, _ = strings.Cut(line, "\n")
	interpreter := "its interpreter"
	if words := strings.Fields(line); len(words) > 0 {
		interpreter = words[0]
	}
	return fmt.Errorf("it is a script, and a script has no exe of its own: its process runs %s; use name:%s or pidfile:PATH",
		interpreter, path.Base(t.value))
}

// ownProcesses says that no other container's processes can be seen, where that is
// so: all that can be are in this process's own cgroup, cgroups(7).
func ownProcesses() string {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	all, err := scan()
	if err != nil {
		return ""
	}
	for pid := range all {
		cgroup, err := os.ReadFile(procPath(pid, "cgroup"))
		if err == nil && !bytes.Equal(cgroup, own) || errors.Is(err, fs.ErrPermission) {
			return ""
		}
	}
	return "; all that can be seen are of this container: another container's are seen only with shareProcessNamespace: true"
}
