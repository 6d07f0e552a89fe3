package mainprocess

import (
	"errors"
	"fmt"
	"os"
)

// Find finds the main process as it is now. It never takes podhook itself, a
// zombie or a kernel thread for it. Close the process when it is of no more use.
//
// Errors: *NoneError, *GoneError (both are ErrNone), *AmbiguousError,
// *PermissionError, *PidfileError, *RefusedError.
func (t Target) Find() (*Process, error) {
	p, _, err := t.find()
	return p, err
}

// find returns the pidfile as well, where the target is one.
func (t Target) find() (*Process, pidfile, error) {
	switch t.kind {
	case kindPID:
		if t.pid == 0 {
			return nil, pidfile{}, &GoneError{Target: t}
		}
		p, err := t.openPID(t.pid)
		return p, pidfile{}, err
	case kindPidfile:
		return t.openPidfile()
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
	p, s, err := open(pid)
	switch {
	case errors.Is(err, errGone):
		return nil, &GoneError{Target: t, PID: pid}
	case err != nil:
		return nil, fmt.Errorf("main process %s: %w", t, err)
	case s.KernelThread():
		p.Close()
		return nil, &RefusedError{t, pid, "a kernel thread"}
	case t.start != 0 && t.start != p.start:
		p.Close()
		return nil, &GoneError{Target: t, PID: pid, Recycled: true}
	}
	return p, nil
}

func (t Target) openPidfile() (*Process, pidfile, error) {
	file, err := readPidfile(t.value)
	if err != nil {
		return nil, file, err
	}
	p, err := t.openPID(file.pid)
	if err != nil {
		return nil, file, err
	}
	if file.older(p.start) {
		p.Close()
		return nil, file, &GoneError{Target: t, PID: file.pid, Recycled: true}
	}
	return p, file, nil
}
