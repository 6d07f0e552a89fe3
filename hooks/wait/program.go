package wait

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/podhook/podhook/hooks/config"
)

// Run runs a program to its end, or ends it with ctx. It returns the exit code and the
// last line that it has printed.
type Run func(ctx context.Context, argv []string) (code int, last string, err error)

// LastLine keeps the last line of a program. Its zero value is empty. A background process
// may still print after the program has ended, so it may be used from any goroutine.
type LastLine struct {
	mu   sync.Mutex
	text string
}

// Set replaces the line.
func (l *LastLine) Set(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = string(text)
}

// String returns the line.
func (l *LastLine) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

// Program returns the check of a condition, which runs a program for at most 30 s.
func Program(c config.Program, run Run) Look {
	return Look(func(ctx context.Context) Seen {
		code, last, err := run(ctx, c.Exec.Argv)
		switch {
		case ctx.Err() != nil:
			return Seen{Text: "it did not end in time"}
		case err != nil:
			return Seen{Text: err.Error()}
		}
		seen := Seen{Done: code == 0, Text: fmt.Sprintf("exit code %d", code)}
		if last != "" {
			seen.Text += ": " + last
		}
		if slices.Contains(c.GiveUp, code) {
			seen.Err = errors.New(seen.Text + ", which is in giveUp")
		}
		return seen
	}).within(programTime)
}
