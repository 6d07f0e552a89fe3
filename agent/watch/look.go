package watch

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The limits of one look. Beyond mostBytes, files are told apart by size and time.
const (
	mostFiles = 4096
	mostBytes = 8 << 20
	mostLinks = 40 // as in the kernel, path_resolution(7)
)

// look is one look at a Tree. Each directory and file is watched before it is read, so
// that no change is missed.
type look struct {
	tree        *Tree
	sum         hash.Hash
	descriptors map[int]bool
	// seen are the directories of this look. A link can lead to one that is above it.
	seen  map[inode]string
	files int
	bytes int64
}

type inode struct{ device, number uint64 }

func (t *Tree) look() content {
	l := &look{tree: t, sum: sha256.New(), descriptors: map[int]bool{}, seen: map[inode]string{}}
	if info, err := os.Stat(t.except); t.except != "" && err == nil {
		l.seen[inodeOf(info)] = ""
	}
	for _, path := range t.paths {
		l.way(path)
		l.add(path)
	}
	t.notifier.use(t, l.descriptors)
	if l.files > mostFiles && t.tooMany != nil {
		t.tooMany()
		t.tooMany = nil
	}
	return content(l.sum.Sum(nil))
}

func (l *look) watch(path string) {
	if d := l.tree.notifier.watch(path); d != 0 {
		l.descriptors[d] = true
	}
}

// way watches the directories in which a path can come to lead elsewhere: those that hold
// its links, its last part, and its first part that does not exist. The update of a
// ConfigMap renames a new link ..data over the old one.
func (l *look) way(path string) {
	at, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		next := filepath.Join(at, name)
		target, err := os.Readlink(next)
		if notLink := isNotLink(err); !notLink || len(rest) == 0 {
			l.watch(at)
			target, err = os.Readlink(next) // it may have changed before the watch
		}
		switch {
		case isNotLink(err):
			at = next
		case err != nil || links == mostLinks:
			return
		default:
			links++
			if filepath.IsAbs(target) {
				at = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
		}
	}
}

func isNotLink(err error) bool {
	failed, ok := err.(*os.PathError)
	return ok && failed.Err == unix.EINVAL
}

// add adds a file, or a directory and all below it.
func (l *look) add(path string) {
	if l.files++; l.files > mostFiles {
		return
	}
	l.watch(path)
	info, err := os.Stat(path)
	if err != nil {
		l.note(path, err)
		return
	}
	l.note(path, info.Mode())
	switch {
	case info.IsDir():
		l.directory(path, inodeOf(info))
	case info.Mode().IsRegular():
		l.file(path, info)
	}
}

func (l *look) directory(path string, i inode) {
	if first, again := l.seen[i]; again {
		l.note(first)
		return
	}
	l.seen[i] = path
	entries, err := os.ReadDir(path)
	if err != nil {
		l.note(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "..") {
			continue // kubelet's own, to which the other names lead
		}
		below := filepath.Join(path, e.Name())
		if e.Type()&os.ModeSymlink != 0 {
			l.way(below)
		}
		l.add(below)
	}
}

func (l *look) file(path string, info os.FileInfo) {
	if l.bytes+info.Size() > mostBytes {
		l.note(info.Size(), info.ModTime().UnixNano(), inodeOf(info))
		return
	}
	l.bytes += info.Size()
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		l.note(err)
		return
	}
	defer file.Close()
	l.note(io.Copy(l.sum, io.LimitReader(file, mostBytes)))
}

// note adds facts. Quotes keep two of them from looking like another one.
func (l *look) note(facts ...any) { fmt.Fprintf(l.sum, "%q\n", fmt.Sprint(facts...)) }

func inodeOf(info os.FileInfo) (i inode) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		i = inode{uint64(s.Dev), uint64(s.Ino)}
	}
	return i
}
