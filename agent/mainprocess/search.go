package mainprocess

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podhook/podhook/hooks/procfs"
)

// search finds the process by its program or name. Processes start and exit meanwhile,
// so it checks its choice again once a pidfd refers to it.
func (t Target) search() (*Process, error) {
	const attempts = 10
	for range attempts {
		all, err := procfs.Proc.Programs()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		delete(all, os.Getpid())
		chosen, err := t.choose(all)
		if err != nil {
			return nil, err
		}
		p, err := t.hold(chosen)
		if err == nil || !errors.Is(err, errGone) {
			return p, err
		}
	}
	return nil, fmt.Errorf("%s: what matches was gone each time, %d times", t, attempts)
}

// hold opens the chosen process. The error is errGone where it has exited or executed
// another program meanwhile.
func (t Target) hold(chosen procfs.Stat) (*Process, error) {
	p, s, err := open(chosen.PID)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	if found, _ := t.matcher()(s); !found || s.Start != chosen.Start {
		p.Close()
		return nil, errGone
	}
	return p, nil
}

// choose returns the process that matches. Of several it returns the one that all
// others descend from: a server's master and not its workers.
func (t Target) choose(all map[int]procfs.Stat) (procfs.Stat, error) {
	match := t.matcher()
	candidates := make(map[int]error) // why the program is unknown, or nil
	unreadable := 0
	for pid, s := range all {
		found, err := match(s)
		if found {
			candidates[pid] = err
		} else if err != nil {
			unreadable++
		}
	}
	roots := rootsOf(candidates, all)
	if len(roots) > 1 {
		roots = withoutHooks(roots)
	}
	if len(roots) == 0 {
		return procfs.Stat{}, &NoneError{t, t.whyNone(all, unreadable)}
	}
	for _, s := range roots {
		if err := candidates[s.PID]; err != nil {
			return procfs.Stat{}, &PermissionError{t, s.PID, s.Comm, err}
		}
	}
	if len(roots) > 1 {
		e := &AmbiguousError{Target: t}
		for _, s := range roots {
			e.Candidates = append(e.Candidates, Candidate{s.PID, s.Comm})
		}
		return procfs.Stat{}, e
	}
	return roots[0], nil
}

// rootsOf returns the candidates that descend from no other candidate, sorted by PID.
func rootsOf(candidates map[int]error, all map[int]procfs.Stat) []procfs.Stat {
	var roots []procfs.Stat
	for _, pid := range slices.Sorted(maps.Keys(candidates)) {
		isRoot := true
		up := all[pid].PPID
		// Parents are read at different times, so a circle is possible.
		for n := 0; up != 0 && isRoot && n < len(all); n++ {
			_, isCandidate := candidates[up]
			isRoot = !isCandidate || up == pid
			up = all[up].PPID
		}
		if isRoot {
			roots = append(roots, all[pid])
		}
	}
	return roots
}

// withoutHooks drops the processes of hooks, such as an `nginx -s quit` beside the
// server. If all are processes of hooks it drops none.
func withoutHooks(roots []procfs.Stat) []procfs.Stat {
	rest := slices.DeleteFunc(slices.Clone(roots), func(s procfs.Stat) bool { return ofAHook(s.PID) })
	if len(rest) == 0 {
		return roots
	}
	return rest
}

// ofAHook reports whether a step of a hook started the process: podhook gives each
// step the variable. It is false where the environment cannot be read.
func ofAHook(pid int) bool {
	return slices.ContainsFunc(procfs.Proc.Environ(pid), func(entry string) bool {
		return strings.HasPrefix(entry, "PODHOOK_RUN_ID=")
	})
}

// A matcher reports whether a process is a candidate. An error says that its program
// cannot be seen; found is true then if its name matches.
type matcher func(procfs.Stat) (found bool, err error)

func (t Target) matcher() matcher {
	if t.kind == kindExe {
		return matchExe(t.value)
	}
	return matchName(t.value)
}

// argv0 returns the base name of the process's first argument, which is empty where
// there is none or the process has gone.
func argv0(pid int) string {
	text, err := procfs.Proc.Read(pid, "cmdline", 4096)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), "\x00")
	return first[strings.LastIndexByte(first, '/')+1:]
}

// commOf cuts a name as the kernel does: to TASK_COMM_LEN - 1 bytes, prctl(2).
func commOf(name string) string { return name[:min(len(name), 15)] }

// matchName compares comm and the base name of argv[0].
func matchName(name string) matcher {
	return func(s procfs.Stat) (bool, error) {
		if s.Comm == name {
			return true, nil
		}
		first := argv0(s.PID)
		if first == name {
			return true, nil
		}
		// comm has only the first 15 bytes of a longer name, so argv[0] decides
		// between names with the same beginning. Servers write more after their name
		// there, as in "NAME: worker".
		rest, same := strings.CutPrefix(first, name)
		same = same && strings.IndexAny(rest, ": ") == 0
		other := strings.HasPrefix(first, s.Comm) && !same
		return s.Comm == commOf(name) && !other, nil
	}
}

// matchExe compares the link /proc/PID/exe with the path, and with the file that the
// path leads to here if it is a link. A program also matches if its file was replaced or
// removed.
func matchExe(file string) matcher {
	files := []string{file}
	if real, err := filepath.EvalSymlinks(file); err == nil && real != file {
		files = append(files, real)
	}
	return func(s procfs.Stat) (bool, error) {
		link, err := os.Readlink(procfs.Proc.Path(s.PID, "exe"))
		if errors.Is(err, fs.ErrPermission) {
			suggests := slices.ContainsFunc(files, func(f string) bool {
				return s.Comm == commOf(path.Base(f))
			})
			return suggests, err
		}
		if err != nil {
			return false, nil // it has exited
		}
		return slices.ContainsFunc(files, func(f string) bool {
			return link == f || link == f+" (deleted)"
		}), nil
	}
}
