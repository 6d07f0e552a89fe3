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

	"golang.org/x/sys/unix"
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

// older tells whether the file was written before the process started: then it
// means an earlier process that had the same number. Clocks are coarse and are
// set, so 2 seconds are allowed for. Process 1 is never taken for another one:
// its number cannot be recycled while its PID namespace lives.
func (p pidfile) older(start uint64) bool {
	const slack = 2 * time.Second
	const ticks = 100 // USER_HZ, the same on every architecture that Go has
	var now unix.Timespec
	if p.pid == 1 || unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return false
	}
	boot := time.Now().Add(-time.Duration(now.Nano()))
	started := boot.Add(time.Duration(start) * (time.Second / ticks))
	return p.written.Add(slack).Before(started)
}

// same: nobody has written the file between the two readings.
func (p pidfile) same(other pidfile) bool {
	return p.pid == other.pid && p.ino == other.ino && p.written.Equal(other.written)
}
