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

// pidfileLimit bounds a pidfile's first line, in bytes.
const pidfileLimit = 64

// pidfile is what a pidfile said, and when it was written.
type pidfile struct {
	pid     int
	ino     uint64
	written time.Time
}

// readPidfile reads the PID in the first line of a pidfile; white space round it
// and further lines do not matter, as for systemd's PIDFile= (PostgreSQL writes
// more lines). Errors are *PidfileError.
func readPidfile(path string) (pidfile, error) {
	p, err := tryPidfile(path)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err // PidfileError says the path
		}
		return pidfile{}, &PidfileError{path, err}
	}
	return p, nil
}

func tryPidfile(path string) (pidfile, error) {
	// Non-blocking: opening a FIFO would wait for its writer.
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

// doubtless is the difference of two clocks that says nothing: file times and
// start times are as coarse as the kernel's ticks, and a clock is slewed, not set,
// by less than 128 ms (ntpd(8)).
const doubtless = 100 * time.Millisecond

// doubt is why the file may mean an earlier process that had the same number, or
// nil. It was written when the process ran already: that is known by the time of
// the file, on a clock that can be set, and the start of the process, on one that
// cannot. Process 1 is never in doubt: its number cannot be recycled while its PID
// namespace lives.
func (p pidfile) doubt(found *Process) error {
	if found.pid == 1 {
		return nil
	}
	started, now := procfs.Started(found.start), time.Now()
	who := fmt.Sprintf("process %d (%s)", found.pid, found.name)
	const instead = "let it be written anew, or use name:NAME or exe:PATH"
	switch {
	case p.written.After(now.Add(doubtless)):
		return fmt.Errorf("it was written %v from now, so the clock was set: that it means %s and no earlier process of that number cannot be told; %s",
			p.written.Sub(now).Round(time.Millisecond), who, instead)
	case p.written.Add(doubtless).Before(started):
		return fmt.Errorf("it was written %v before the start of %s: it means an earlier process of that number, or the clock was set; %s",
			started.Sub(p.written).Round(time.Millisecond), who, instead)
	}
	return nil
}

// same: nobody has written the file between the two readings.
func (p pidfile) same(other pidfile) bool {
	return p.pid == other.pid && p.ino == other.ino && p.written.Equal(other.written)
}
