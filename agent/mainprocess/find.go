package mainprocess

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/podhook/podhook/hooks/state"
)

// find finds the process as it is now. It never returns podhook itself, a zombie or a
// kernel thread. The caller closes the process. For a pidfile target it returns the
// pidfile too. seen is the process that was found before, or nil: it needs no further
// proof. The errors are those of Finder.Current.
func (t Target) find(seen *state.MainIdentity) (*Process, pidfile, error) {
	switch t.kind {
	case kindPID:
		p, err := t.openPID(t.pid)
		return p, pidfile{}, err
	case kindPidfile:
		return t.openPidfile(seen)
	case kindExe, kindName:
		p, err := t.search()
		return p, pidfile{}, err
	default:
		return nil, pidfile{}, errors.New("no main process is set")
	}
}

func (t Target) openPID(pid int) (*Process, error) {
	if pid == os.Getpid() {
		return nil, &RefusedError{t, pid, "podhook itself"}
	}
	if pid == 0 {
		return nil, &GoneError{Target: t}
	}
	p, s, err := open(pid)
	switch {
	case errors.Is(err, errGone):
		return nil, &NoneError{t, fmt.Sprintf("there is no process %d%s", pid, ownProcesses())}
	case err != nil:
		return nil, fmt.Errorf("%s: %w", t, err)
	case s.KernelThread():
		p.Close()
		return nil, &RefusedError{t, pid, "a kernel thread"}
	}
	return p, nil
}

func (t Target) openPidfile(seen *state.MainIdentity) (*Process, pidfile, error) {
	file, err := readPidfile(t.value)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, file, &NoneError{t, "there is no such file"}
	}
	if err != nil {
		return nil, file, err
	}
	p, err := t.openPID(file.pid)
	if err != nil {
		return nil, file, err
	}
	if seen != nil && *seen == p.Identity() {
		return p, file, nil
	}
	if err := file.doubt(p); err != nil {
		p.Close()
		return nil, file, &PidfileError{t.value, err}
	}
	return p, file, nil
}

// openAgain opens a process that was seen before. The error is errGone where it has
// exited, even if another process has its PID now.
func openAgain(seen state.MainIdentity) (*Process, error) {
	p, _, err := open(seen.PID)
	if err == nil && seen.StartTime != 0 && p.start != seen.StartTime {
		p.Close()
		return nil, errGone
	}
	return p, err
}
