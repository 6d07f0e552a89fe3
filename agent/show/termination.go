package show

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
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
	// terminationSign begins every message of ours, so that it can be told from
	// the application's.
	terminationSign    = "podhook: hook "
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

// Started does nothing: a message is about an end.
func (t Termination) Started(state.Record) {}

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
	if err := replaceOwn(t.Path, rec.Hook, message); err != nil {
		t.Logger.Warn("termination message not written", "error", err.Error())
	}
}

// Message is the termination message of a run: what failed and the last lines,
// at most 4096 bytes of valid UTF-8.
func Message(rec state.Record) string {
	return bounded(fmt.Sprintf("%s%s %s: %s", terminationSign, rec.Hook, outcomeWords(rec.Outcome), rec.Reason), failedTail(rec), terminationLimit)
}

// replaceOwn writes in place, because the file is a bind mount that cannot be
// renamed over. It is opened without blocking and without being created: a path
// that is not there is not made up.
func replaceOwn(path, hook, message string) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, os.ErrNotExist) && message != "" {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	there, err := io.ReadAll(io.LimitReader(f, terminationLimit))
	if err != nil {
		return err
	}
	mine := bytes.HasPrefix(there, []byte(terminationSign))
	if len(there) > 0 && !mine {
		return nil
	}
	if message == "" && !bytes.HasPrefix(there, []byte(terminationSign+hook+" ")) {
		return nil // another hook's failure still stands
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(message), 0); err != nil {
		return err
	}
	return nil
}

// failedTail are the last lines of the step that the run's outcome is about.
func failedTail(rec state.Record) []string {
	for _, s := range rec.Steps {
		if s.Outcome != state.Succeeded && s.Outcome != state.Skipped && len(s.Tail) > 0 {
			return s.Tail
		}
	}
	return nil
}

// bounded puts as many of the last lines behind head as fit into limit bytes.
func bounded(head string, tail []string, limit int) string {
	head = cut(strings.ToValidUTF8(head, "\uFFFD"), limit-1)
	room := limit - len(head) - 1
	first := len(tail)
	for ; first > 0; first-- {
		line := strings.ToValidUTF8(tail[first-1], "\uFFFD")
		if room -= len(line) + 1; room < 0 {
			break
		}
	}
	var b strings.Builder
	b.WriteString(head)
	b.WriteByte('\n')
	for _, line := range tail[first:] {
		b.WriteString(strings.ToValidUTF8(line, "\uFFFD"))
		b.WriteByte('\n')
	}
	return b.String()
}

// cut shortens valid UTF-8 to at most limit bytes without splitting a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func outcomeWords(o state.Outcome) string { return strings.ReplaceAll(string(o), "_", " ") }
