package main

import (
	"fmt"
	"io"

	"github.com/podhook/podhook/agent/show"
)

// markRoom is what the mark of a cut takes, in bytes.
const markRoom = 32

// briefly bounds what the command prints from now on, on stdout and stderr together:
// kubelet puts all that an exec'd hook prints into the pod's status
// (deploy/kubernetes/kubelet.md, postStart).
func (c *call) briefly() {
	c.room = show.SummaryLimit - markRoom
	c.stdout, c.stderr = &briefWriter{c.stdout, &c.room}, &briefWriter{c.stderr, &c.room}
}

// briefWriter cuts the text for which there is no room, and says so once.
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
