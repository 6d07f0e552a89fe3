package show

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

const (
	// terminationLimit is how many bytes of a termination message kubelet reads
	// (Kubernetes: Determine the Reason for Pod Failure).
	terminationLimit = 4096
	// Every message of podhook begins with terminationSign, and its last line with
	// terminationEnd. A message without them is, at least in part, of the application.
	terminationSign    = "podhook: "
	terminationEnd     = "(podhook run "
	defaultTermination = "/dev/termination-log"
)

// Termination writes why a run did not succeed into the termination message, which
// outlives the container. It does not change a message of the application.
type Termination struct {
	Path   string
	Logger *slog.Logger
}

// NewTermination returns the Termination of PODHOOK_TERMINATION_LOG. The default file is
// used only if the container runtime has made it.
func NewTermination(setting string, logger *slog.Logger) Termination {
	path := setting
	switch {
	case setting == settings.Off:
		path = ""
	case setting == "":
		if _, err := os.Stat(defaultTermination); err == nil {
			path = defaultTermination
		}
	}
	return Termination{Path: path, Logger: logger}
}

// Began does nothing.
func (t Termination) Began(state.Record) {}

// Line does nothing. The record holds the last lines.
func (t Termination) Line(hooks.Line) {}

// StepEnded does nothing. The record of the run holds the steps.
func (t Termination) StepEnded(string, string, state.StepRecord) {}

// Ended writes the reason of a failure, and removes an earlier one of a hook that has
// now succeeded.
func (t Termination) Ended(rec state.Record) {
	if t.Path == "" {
		return
	}
	message := ""
	if rec.Outcome != state.Succeeded {
		message = Message(rec)
	}
	t.warn(replaceOwn(t.Path, rec.Hook, message))
}

// MainKilled says that podhook has killed the main process at the end of the grace
// period, which otherwise looks like any other SIGKILL.
func (t Termination) MainKilled(grace time.Duration) {
	if t.Path == "" {
		return
	}
	t.warn(overwriteOwn(t.Path, fmt.Sprintf("%sthe main process was killed, it has outlived the grace period of %v\n%snone)\n",
		terminationSign, grace, terminationEnd)))
}

func (t Termination) warn(err error) {
	if err != nil {
		t.Logger.Warn("termination message not written", "error", err.Error())
	}
}

// Message returns the termination message of a run: what failed, its last lines and the
// id of the run, at most terminationLimit bytes of valid UTF-8.
func Message(rec state.Record) string {
	end := terminationEnd + rec.RunID + ")\n"
	head := fmt.Sprintf("%shook %s %s: %s", terminationSign, rec.Hook, OutcomeWords(rec.Outcome), rec.Reason)
	return bounded(head, failedTail(rec), terminationLimit-len(end)) + end
}

// isOurs reports whether a whole message is podhook's.
func isOurs(text []byte) bool {
	if len(text) > terminationLimit {
		return false
	}
	lines := bytes.Split(text, []byte("\n"))
	return len(lines) > 2 && bytes.HasPrefix(text, []byte(terminationSign)) &&
		bytes.HasPrefix(lines[len(lines)-2], []byte(terminationEnd)) && len(lines[len(lines)-1]) == 0
}

// replaceOwn writes message if the file is empty or holds a message of podhook.
func replaceOwn(path, hook, message string) error {
	if message == "" {
		there, err := readMessage(path)
		if errors.Is(err, os.ErrNotExist) || err == nil && !(isOurs(there) && isAbout(there, hook)) {
			return nil // nothing to remove, or the failure of another hook
		}
		if err != nil {
			return err
		}
	}
	return overwriteOwn(path, message)
}

func isAbout(text []byte, hook string) bool {
	return bytes.HasPrefix(text, []byte(terminationSign+"hook "+hook+" "))
}

func readMessage(path string) ([]byte, error) {
	f, err := openMessage(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

// overwriteOwn writes in place, because the file is a bind mount, which a rename cannot
// replace.
func overwriteOwn(path, message string) error {
	f, err := openMessage(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	defer f.Close()
	there, err := readAll(f)
	if err != nil || len(there) > 0 && !isOurs(there) {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(message), 0)
	return err
}

// openMessage opens only regular files: reading a pipe would consume it and could block.
func openMessage(path string, flags int) (*os.File, error) {
	fd, err := unix.Open(path, flags|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	if !regular(fd) {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// readAll reads one byte more than a message of podhook can have.
func readAll(f *os.File) ([]byte, error) {
	return io.ReadAll(io.LimitReader(f, terminationLimit+1))
}
