package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// followInterval is how often FollowOutput looks.
const followInterval = 50 * time.Millisecond

// ReadOutput writes what is kept of the last run's output, of whatever
// instance, to w: lines of time, step, stream and the line's own bytes, with
// "[N bytes omitted]" in the place of what was not kept.
func (h *Hook) ReadOutput(w io.Writer) error {
	if h.bad != nil {
		return h.bad
	}
	runID, err := h.lastRun()
	if err != nil {
		return err
	}
	c := outputCopy{hook: h, runID: runID, w: w}
	return c.more()
}

// FollowOutput writes like ReadOutput and goes on with what is printed until
// the run has ended. It returns the error of ctx if that ends first. A hook
// that is not running is not waited for.
func (h *Hook) FollowOutput(ctx context.Context, w io.Writer) error {
	if h.bad != nil {
		return h.bad
	}
	runID, err := h.lastRun()
	if err != nil {
		return err
	}
	c := outputCopy{hook: h, runID: runID, w: w}
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		running, err := h.isRunning(runID)
		if err != nil {
			return err
		}
		// Looked at before the copy: what was printed until then is in it.
		if err := c.more(); err != nil || !running {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (h *Hook) isRunning(runID string) (bool, error) {
	r, ok, err := h.Read()
	var broken *RecordError
	if errors.As(err, &broken) {
		return false, nil
	}
	return ok && r.RunID == runID && r.Outcome == Running, err
}

// lastRun is the run whose output is to be shown: that of the record or, where
// the record is broken or missing, that of the pieces.
func (h *Hook) lastRun() (string, error) {
	r, ok, err := h.load()
	if ok && err == nil {
		return r.RunID, nil
	}
	all, err := listPieces(h.dir)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[len(all)-1].runID, nil
}

// outputCopy copies a run's output as far as it is there.
type outputCopy struct {
	hook  *Hook
	runID string
	w     io.Writer
	at    int64 // copied so far, in bytes of the whole output
}

// more copies what has been added.
func (c *outputCopy) more() error {
	files, err := c.open()
	if err != nil {
		return err
	}
	defer closeAll(files)
	for _, f := range files {
		if f.offset > c.at {
			if _, err := fmt.Fprintf(c.w, "[%d bytes omitted]\n", f.offset-c.at); err != nil {
				return err
			}
			c.at = f.offset
		}
		if _, err := f.file.Seek(c.at-f.offset, io.SeekStart); err != nil {
			return err
		}
		n, err := io.Copy(c.w, f.file)
		c.at += n
		if err != nil {
			return err
		}
	}
	return nil
}

type openPiece struct {
	piece
	file *os.File
}

// open opens all pieces that hold something new. A piece that goes away
// meanwhile has been given up for a newer one: then it looks again, so that
// what it has opened fits together.
func (c *outputCopy) open() ([]openPiece, error) {
	for {
		files, err := c.openOnce()
		if !errors.Is(err, fs.ErrNotExist) {
			return files, err
		}
	}
}

func (c *outputCopy) openOnce() ([]openPiece, error) {
	all, err := listPieces(c.hook.dir)
	if err != nil {
		return nil, err
	}
	var files []openPiece
	for i, p := range all {
		if p.runID != c.runID {
			continue
		}
		if i+1 < len(all) && all[i+1].runID == c.runID && all[i+1].offset <= c.at {
			continue // the next one begins where we are: nothing new in this
		}
		path := filepath.Join(c.hook.dir, p.name())
		fd, _, err := c.hook.store.openTrusted(path)
		if err != nil {
			closeAll(files)
			return nil, err
		}
		files = append(files, openPiece{p, os.NewFile(uintptr(fd), path)})
	}
	return files, nil
}

func closeAll(files []openPiece) {
	for _, f := range files {
		f.file.Close()
	}
}
