package state

import (
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The marker of a hook is one file under two names: it is hidden where the hook has not
// succeeded. So it needs no space when it is written.
const (
	markerName   = "marker"
	hiddenMarker = "marker.off"
	// markerSize is more than a marker has, in bytes.
	markerSize = 256
)

// MarkerPath returns the path of the hook's marker, unless another one is configured.
func (h *Hook) MarkerPath() string { return filepath.Join(h.dir, markerName) }

// HideMarker removes the marker at MarkerPath.
func (l *Lock) HideMarker() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return fs.ErrClosed
	}
	switch err := unix.Renameat(l.dirfd, markerName, l.dirfd, hiddenMarker); err {
	case nil:
	case unix.ENOENT:
		l.spareMarker()
	default:
		return pathError("rename", l.hook.MarkerPath(), err)
	}
	return nil
}

// WriteMarker writes the marker at MarkerPath. The error is a *FullError where no space is
// left.
func (l *Lock) WriteMarker(text []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return fs.ErrClosed
	}
	err := l.fillMarker(text)
	if err == nil {
		err = unix.Renameat(l.dirfd, hiddenMarker, l.dirfd, markerName)
	}
	if err != nil {
		return pathError("write", l.hook.MarkerPath(), err)
	}
	return nil
}

// spareMarker makes the hidden file if it is missing and there is space, so that WriteMarker
// needs none.
func (l *Lock) spareMarker() {
	var st unix.Stat_t
	if unix.Fstatat(l.dirfd, hiddenMarker, &st, unix.AT_SYMLINK_NOFOLLOW) == unix.ENOENT {
		_ = l.fillMarker(make([]byte, markerSize))
	}
}

func (l *Lock) fillMarker(text []byte) error {
	fd, err := createAt(l.dirfd, hiddenMarker, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := pwriteAll(fd, text, 0); err != nil {
		return err
	}
	return unix.Ftruncate(fd, int64(len(text)))
}
