package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/agent/show"
)

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// oneLine replaces control characters, which could break a table or move the cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// markRoom is the length of the mark of a cut, in bytes.
const markRoom = 32

// briefly bounds the output of the command from now on, stdout and stderr together. A
// person at a terminal gets all of it.
// kubelet puts all output of an exec'd hook into the status of the pod
// (deploy/kubernetes/kubelet.md, postStart).
func (inv *invocation) briefly() {
	inv.room = show.SummaryLimit - markRoom
	inv.live = isTerminal(inv.stdout)
	inv.survivePipes()
	if inv.live {
		return
	}
	inv.stdout, inv.stderr = &briefWriter{inv.stdout, &inv.room}, &briefWriter{inv.stderr, &inv.room}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// briefWriter cuts the text that has no room, and marks the first cut.
type briefWriter struct {
	to   io.Writer
	room *int // bytes
}

// Write reports success for a text that it cuts.
func (w *briefWriter) Write(p []byte) (int, error) {
	if len(p) <= *w.room {
		*w.room -= len(p)
		return w.to.Write(p)
	}
	if *w.room == 0 {
		return len(p), nil
	}
	kept := show.Cut(string(p), *w.room)
	*w.room = 0
	_, err := fmt.Fprintf(w.to, "%s\n[%d bytes cut]\n", kept, len(p)-len(kept))
	return len(p), err
}
