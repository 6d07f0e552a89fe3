package mainprocess

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/podhook/podhook/hooks/procfs"
)

// pidfileLimit bounds the first line of a pidfile, in bytes.
const pidfileLimit = 64

// pidfile is the content of a pidfile and the time it was written.
type pidfile struct {
	pid     int
	ino     uint64
	written time.Time
}

// readPidfile reads the PID in the first line of a pidfile. It ignores white space and
// further lines, as systemd's PIDFile= does (PostgreSQL writes more lines). The error
// is a *PidfileError.
func readPidfile(path string) (pidfile, error) {
	p, err := tryPidfile(path)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err // PidfileError names the path
		}
		return pidfile{}, &PidfileError{path, err}
	}
	return p, nil
}

func tryPidfile(path string) (pidfile, error) {
	// Non-blocking, because opening a FIFO waits for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return pidfile{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return pidfile{}, err
	}
	if !info.Mode().IsRegular() {
		return pidfile{}, fmt.Errorf("it is not a regular file (%s)", info.Mode().Type())
	}
	text, err := io.ReadAll(io.LimitReader(f, pidfileLimit+1))
	if err != nil {
		return pidfile{}, err
	}
	pid, err := parsePidfile(text)
	p := pidfile{pid: pid, written: info.ModTime()}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		p.ino = s.Ino
	}
	return p, err
}

func parsePidfile(text []byte) (int, error) {
	text = bytes.TrimLeft(text, " \t\r\n")
	line, _, complete := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimRight(line, " \t\r")
	switch {
	case len(text) == 0:
		return 0, errors.New("it is empty; a PID is expected")
	case !complete && len(text) > pidfileLimit:
		return 0, fmt.Errorf("its first line is longer than %d bytes; a PID is expected", pidfileLimit)
	}
	pid, err := strconv.Atoi(string(line))
	if err != nil || pid < 1 || pid > maxPID {
		return 0, fmt.Errorf("it holds %q; a PID (1 to %d) is expected", line, maxPID)
	}
	return pid, nil
}

// doubtless is a difference of two times that proves nothing: file times and start times
// are as coarse as the kernel's ticks, and ntpd(8) slews the clock by up to 128 ms
// instead of setting it.
const doubtless = 100 * time.Millisecond

// doubt returns why the file may mean an earlier process with the same PID, or nil. A
// file that is older than the process does, and so may one whose time is in the future,
// because the clock was set. Process 1 is never in doubt: no other process gets its PID
// while its PID namespace exists.
func (p pidfile) doubt(found *Process) error {
	if found.pid == 1 {
		return nil
	}
	started, now := procfs.Started(found.start), time.Now()
	who := fmt.Sprintf("process %d (%s)", found.pid, found.name)
	const instead = "write it again, or use name:NAME or exe:PATH"
	switch {
	case p.written.After(now.Add(doubtless)):
		return fmt.Errorf("its time is %v in the future, so the clock was set: it may mean an earlier process with the PID of %s; %s",
			p.written.Sub(now).Round(time.Millisecond), who, instead)
	case p.written.Add(doubtless).Before(started):
		return fmt.Errorf("it was written %v before the start of %s: it means an earlier process with the same PID, or the clock was set; %s",
			started.Sub(p.written).Round(time.Millisecond), who, instead)
	}
	return nil
}

// same reports whether the file was not written between two readings.
func (p pidfile) same(other pidfile) bool {
	return p.pid == other.pid && p.ino == other.ino && p.written.Equal(other.written)
}
