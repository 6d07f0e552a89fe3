package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// followInterval is how often FollowOutput looks for new output.
const followInterval = 50 * time.Millisecond

// AllLines asks ReadOutput and FollowOutput for all lines.
const AllLines = -1

// ReadOutput writes the kept output of the last run of any instance to w: lines of time,
// step, stream and the bytes of the line, with "[N bytes omitted]" in place of what was
// not kept. tail is how many lines at the end are written, or AllLines.
func (h *Hook) ReadOutput(w io.Writer, tail int) error {
	if h.bad != nil {
		return h.bad
	}
	runID, err := h.lastRun()
	if err != nil {
		return err
	}
	c := outputCopy{hook: h, runID: runID, w: w}
	return c.last(tail)
}

// FollowOutput is ReadOutput, but if the hook is running it also writes further output
// until the run has ended. It returns the error of ctx if that ends first.
func (h *Hook) FollowOutput(ctx context.Context, w io.Writer, tail int) error {
	if h.bad != nil {
		return h.bad
	}
	runID, err := h.lastRun()
	if err != nil {
		return err
	}
	c := outputCopy{hook: h, runID: runID, w: w}
	if err := c.last(tail); err != nil {
		return err
	}
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		running, err := h.isRunning(runID)
		if err != nil {
			return err
		}
		// Checked before the copy, which so contains everything that was printed until then.
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

// lastRun returns the run whose output is shown: that of the record or, if the record is
// broken or missing, that of the pieces.
func (h *Hook) lastRun() (string, error) {
	h.store.calls.Lock()
	r, err := h.load()
	h.store.calls.Unlock()
	if r != nil && err == nil {
		return r.RunID, nil
	}
	all, err := listPieces(h.dir)
	if err != nil || len(all) == 0 {
		return "", err
	}
	return all[len(all)-1].runID, nil
}

// outputCopy copies the output of a run.
type outputCopy struct {
	hook  *Hook
	runID string
	w     io.Writer
	at    int64 // copied so far, in bytes of the whole output
}

// last copies the last lines of what is there now.
func (c *outputCopy) last(tail int) error {
	if tail == AllLines {
		return c.more()
	}
	var kept bytes.Buffer
	to := c.w
	c.w = &kept
	err := c.more()
	c.w = to
	if err != nil {
		return err
	}
	_, err = to.Write(lastLines(kept.Bytes(), tail))
	return err
}

// lastLines returns the last lines of a text; a line without an end counts too.
func lastLines(text []byte, count int) []byte {
	at := len(text)
	for ; count > 0 && at > 0; count-- {
		at = bytes.LastIndexByte(text[:at-1], '\n') + 1
	}
	return text[at:]
}

// more copies the output that was added since the last call.
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

// open opens all pieces that contain new output. If a piece is removed meanwhile, a newer
// one has replaced it. Then open starts again, so that the pieces fit together.
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
			continue // the next piece begins at c.at or before, so this one has nothing new
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
