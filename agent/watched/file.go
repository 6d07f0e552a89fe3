// Package watched keeps a value that is made from files, such as tokens or a certificate,
// and makes it again when a file changes.
package watched

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lookInterval is the shortest time between two looks at the files. It bounds what callers
// can cause.
const lookInterval = time.Second

// File is a value of files. The last good value stays in force where the files cannot be
// read any more. It is safe for concurrent use.
type File[T any] struct {
	what   string
	read   func() (T, error)
	paths  []string
	logger *slog.Logger
	value  atomic.Pointer[T]

	mu   sync.Mutex // held by the one caller that looks: a file system can block it
	next time.Time
	seen []stamp
}

// Open reads the files for the first time. what names the value in the log. The error is
// that of read.
func Open[T any](logger *slog.Logger, what string, read func() (T, error), paths ...string) (*File[T], error) {
	f := &File[T]{what: what, read: read, paths: paths, logger: logger}
	f.seen = f.stamps() // before they are read, so that no change is missed
	value, err := read()
	if err != nil {
		return nil, err
	}
	f.value.Store(&value)
	f.next = time.Now().Add(lookInterval)
	return f, nil
}

// Get returns the value. It looks at the files at most once a second, and only one caller
// at a time does.
func (f *File[T]) Get() T {
	if f.mu.TryLock() {
		defer f.mu.Unlock()
		f.look()
	}
	return *f.value.Load()
}

func (f *File[T]) look() {
	now := time.Now()
	if now.Before(f.next) {
		return
	}
	f.next = now.Add(lookInterval)
	stamps := f.stamps()
	if slices.Equal(stamps, f.seen) {
		return
	}
	f.seen = stamps
	value, err := f.read()
	if err != nil {
		f.logger.Error(f.what+" not read, the last good value stays in force", "error", err.Error())
		return
	}
	f.value.Store(&value)
	f.logger.Info(f.what + " read again")
}

// stamp tells a version of a file from others. The time of the last change of the inode
// (inode(7)) cannot be set, as that of the content can.
type stamp struct {
	inode, device  uint64
	size           int64
	changed, error int64
}

func (f *File[T]) stamps() []stamp {
	list := make([]stamp, len(f.paths))
	for i, path := range f.paths {
		var s unix.Stat_t
		err := unix.Stat(path, &s)
		if errno, failed := err.(syscall.Errno); failed {
			list[i] = stamp{error: int64(errno)}
			continue
		}
		list[i] = stamp{inode: s.Ino, device: uint64(s.Dev), size: s.Size, changed: s.Ctim.Nano()}
	}
	return list
}

// maxFile bounds a file, in bytes.
const maxFile = 64 << 10

// Read returns the content of a file of at most 64 KiB. It does not block on a FIFO.
func Read(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return text, nil
}
