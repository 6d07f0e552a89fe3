package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// Write writes the record of a run: a new one, or what has changed in that of the last run.
// It sets Version, Hook and Instance. The record at the begin of a run and that at its end
// may use the space that Reserve has kept, and lose what only people need if it is not
// enough. The error is a *FullError where no space is left; then the last record remains.
func (l *Lock) Write(r Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return fs.ErrClosed
	}
	r.Version, r.Hook, r.Instance = recordVersion, l.hook.name, l.hook.store.instance.ID
	err := l.write(&r)
	var full *FullError
	if errors.As(err, &full) && (r.Outcome != Running || r.RunID != l.lastRun()) {
		if brief := r.brief(); l.write(&brief) == nil {
			return nil
		}
	}
	return err
}

func (l *Lock) lastRun() string {
	if l.content == nil || l.content.record == nil {
		return ""
	}
	return l.content.record.RunID
}

func (l *Lock) write(r *Record) error {
	if err := l.load(); err != nil {
		return err
	}
	c := l.content
	next := content{inode: c.inode, full: c.full}
	var line []byte
	var err error
	if u, ok := r.since(c.record); ok {
		line, err = json.Marshal(u)
		line = append(line, '\n')
	} else {
		line, err = encodeRecord(*r)
		next.full = len(line)
	}
	if err != nil {
		return err
	}
	if r.RunID != l.lastRun() {
		l.previous = l.lastRun()
	}
	ours := c.record != nil && c.record.Instance == r.Instance
	removed := r.Outcome != Running && l.removed()
	if removed || !ours && !l.blank() || c.end+int64(len(line)) > int64(maxLog+4*next.full) {
		if err := l.rewrite(r); err == nil || removed || c.end > maxFile/2 {
			return err
		}
	}
	if next.line, next.at = line, c.end; c.torn {
		line, next.at = append([]byte("!\n"), line...), c.end+2 // what a killed writer has left becomes no line
	}
	need := len(line)
	if r.Outcome == Running {
		need += lastLine
	}
	if err := l.room(need, reserved); err != nil {
		return err
	}
	if err := pwriteAll(l.fd, line, c.end); err != nil {
		l.content = nil // unknown
		return pathError("write", l.hook.path(), err)
	}
	next.end = c.end + int64(len(line))
	l.wrote(&next, r)
	return nil
}

// wrote keeps what the file contains now.
func (l *Lock) wrote(c *content, r *Record) {
	kept := *r
	kept.Steps, kept.Totals = slices.Clone(r.Steps), r.Totals.Clone()
	c.record = &kept
	l.content = c
	l.hook.keep(c)
}

// load reads the file once: nobody else writes it.
func (l *Lock) load() error {
	if l.content != nil {
		return nil
	}
	c, err := l.hook.read(l.fd, l.inode)
	if err == nil {
		l.content = c
	}
	return err
}

// removed reports whether somebody has removed the file, so that no reader would see it.
func (l *Lock) removed() bool {
	var st unix.Stat_t
	return unix.Fstat(l.fd, &st) == nil && st.Nlink == 0
}

// blank reports whether the file has no text, not even between zeros: what a crash of the
// machine has left could become a line.
func (l *Lock) blank() bool {
	data := make([]byte, l.size)
	n, err := unix.Pread(l.fd, data, 0)
	return err == nil && len(bytes.Trim(data[:n], "\x00")) == 0
}

// room makes space for n bytes more, and others beside them, if there is none for n.
func (l *Lock) room(n, others int) error {
	missing := l.content.end + int64(n) - l.size
	if missing <= 0 {
		return nil
	}
	more := (missing + int64(others) + 4095) &^ 4095
	_, err := retry(func() (int, error) { return 0, unix.Fallocate(l.fd, 0, l.size, more) })
	if err != nil && err != unix.ENOSPC && err != unix.EDQUOT {
		// The file system has no such call, or a seccomp profile denies it.
		err = pwriteAll(l.fd, make([]byte, more), l.size)
	}
	if err != nil {
		_ = unix.Ftruncate(l.fd, l.size)
		return pathError("write", l.hook.path(), err)
	}
	l.size += more
	return nil
}

// Reserve reserves space for one more run of the hook, in case the file system is full
// then. It does nothing where that is reserved.
func (l *Lock) Reserve() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return fs.ErrClosed
	}
	if err := l.load(); err != nil {
		return err
	}
	if l.size > 0 {
		return l.room(reserved, reserveStep)
	}
	l.spareMarker()
	return l.room(reserved, 0)
}

// Reserved reports whether space was reserved for a first run of the hook. It takes no
// lock.
func (h *Hook) Reserved() bool {
	var st unix.Stat_t
	return unix.Lstat(h.path(), &st) == nil && st.Size >= reserved
}

// rewrite replaces the file by a new one, which is locked before others see it, with the
// history and the record.
func (l *Lock) rewrite(r *Record) error {
	line, err := encodeRecord(*r)
	if err != nil {
		return err
	}
	w := atomicWrite{dirfd: l.dirfd, dir: l.hook.dir, temp: runsName + ".tmp", name: runsName, mode: 0o600}
	fd, err := w.create(nil)
	if err != nil {
		return err
	}
	text, _ := l.hook.readLines(l.fd, 0) // the record is worth more than the history
	text = l.hook.pastLines(text, r.RunID)
	c := &content{line: line, at: int64(len(text)), end: int64(len(text) + len(line)), full: len(line)}
	size := (c.end + reserved + reserveStep + 4095) &^ 4095
	text = append(append(text, line...), make([]byte, size-c.end)...)
	if err = pwriteAll(fd, text, 0); err == nil {
		_, err = takeLock(fd, l.hook.path(), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = w.rename()
	}
	if err != nil {
		unix.Close(fd)
		w.remove()
		return pathError("write", l.hook.path(), err)
	}
	unix.Close(l.fd)
	var st unix.Stat_t
	_ = unix.Fstat(fd, &st) // of an open file it cannot fail
	l.fd, l.inode, l.size = fd, st.Ino, size
	c.inode = st.Ino
	l.wrote(c, r)
	return nil
}
