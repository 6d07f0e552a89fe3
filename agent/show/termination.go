package show

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

const (
	// terminationLimit is what kubelet reads of a termination message (Kubernetes:
	// Determine the Reason for Pod Failure).
	terminationLimit = 4096
	// terminationSign begins every message of ours, and a line that begins with
	// terminationEnd ends it, so that it can be told from the application's and
	// from one that the application has added to.
	terminationSign    = "podhook: "
	terminationEnd     = "(podhook run "
	defaultTermination = "/dev/termination-log"
)

// Termination writes why a run did not succeed into the termination message,
// where it outlives the container (kubelet.md: it stays in
// lastState.terminated.message). What the application has written is left alone.
type Termination struct {
	Path   string
	Logger *slog.Logger
}

// NewTermination follows PODHOOK_TERMINATION_LOG. The default is used only where
// it exists, because it is the runtime that makes it.
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

// Line does nothing: the record carries the last lines.
func (t Termination) Line(hooks.Line) {}

// Ended writes the reason of a failure, and takes an earlier one back when the
// hook has succeeded after all.
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

// MainKilled says that podhook has killed the main process at the end of the
// grace period: nothing else tells it from any other SIGKILL.
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

// Message is the termination message of a run: what failed, the last lines and
// the run's id, at most 4096 bytes of valid UTF-8.
func Message(rec state.Record) string {
	end := terminationEnd + rec.RunID + ")\n"
	head := fmt.Sprintf("%shook %s %s: %s", terminationSign, rec.Hook, outcomeWords(rec.Outcome), rec.Reason)
	return bounded(head, failedTail(rec), terminationLimit-len(end)) + end
}

// isOurs says whether a message is one of ours and nothing else.
func isOurs(text []byte) bool {
	if len(text) > terminationLimit {
		return false
	}
	lines := bytes.Split(text, []byte("\n"))
	return len(lines) > 2 && bytes.HasPrefix(text, []byte(terminationSign)) &&
		bytes.HasPrefix(lines[len(lines)-2], []byte(terminationEnd)) && len(lines[len(lines)-1]) == 0
}

// replaceOwn puts message in the place of an earlier one of ours, or of nothing.
func replaceOwn(path, hook, message string) error {
	if message == "" {
		there, err := readMessage(path)
		if errors.Is(err, os.ErrNotExist) || err == nil && !(isOurs(there) && isAbout(there, hook)) {
			return nil // there is nothing to take back, or another hook's failure still stands
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

// overwriteOwn writes in place, because the file is a bind mount that cannot be
// renamed over.
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

// openMessage takes regular files alone: what is read from a pipe is gone, and
// there is no end to wait for.
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

// readAll reads one byte more than a message of ours can have.
func readAll(f *os.File) ([]byte, error) {
	return io.ReadAll(io.LimitReader(f, terminationLimit+1))
}

// failedTail are the last lines of the step that the run's outcome is about.
func failedTail(rec state.Record) []string {
	for _, s := range rec.Steps {
		// A step whose failure is ignored may stand before the one that counts.
		if strings.HasPrefix(rec.Reason, "step "+s.Name+": ") {
			return s.Tail
		}
	}
	for _, s := range rec.Steps {
		if s.Outcome != state.Succeeded && s.Outcome != state.Skipped && len(s.Tail) > 0 {
			return s.Tail
		}
	}
	return nil
}

// bounded puts as many of the last lines behind head as fit into limit bytes, at
// least the end of the last one.
func bounded(head string, tail []string, limit int) string {
	head = Cut(strings.ToValidUTF8(head, "\uFFFD"), limit-1)
	room := limit - len(head) - 1
	var lines []string
	for i := len(tail) - 1; i >= 0; i-- {
		line := strings.ToValidUTF8(tail[i], "\uFFFD")
		if len(line)+1 > room && len(lines) == 0 && room > 1 {
			line = cutStart(line, room-1)
		}
		if room -= len(line) + 1; room < 0 {
			break
		}
		lines = append(lines, line)
	}
	slices.Reverse(lines)
	return strings.Join(append([]string{head}, lines...), "\n") + "\n"
}

// cutStart is cut from the other end.
func cutStart(s string, limit int) string {
	first := max(0, len(s)-limit)
	for first < len(s) && !utf8.RuneStart(s[first]) {
		first++
	}
	return s[first:]
}

// Cut shortens UTF-8 to at most limit bytes without splitting a character.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func outcomeWords(o state.Outcome) string { return strings.ReplaceAll(string(o), "_", " ") }
