package watch

import (
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// events are those after which the content of a directory or a file may be another one.
// A file counts as changed when its writer closes it.
const events = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
	unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF

// pollInterval is the pause between two looks without inotify.
const pollInterval = 2 * time.Second

// Notifier tells its Trees that it is time to look. All of them share one inotify
// instance: a user has few, on a whole node.
type Notifier struct {
	poll    time.Duration
	polling func(why error)

	mu    sync.Mutex
	file  *os.File // the inotify instance; nil while it polls
	trees map[*Tree]bool
	ended chan struct{}
}

// Open returns a Notifier. polling is called, once at most, where inotify cannot be used.
func Open(polling func(why error)) *Notifier { return open(polling, unix.InotifyInit1, pollInterval) }

func open(polling func(error), initialize func(flags int) (int, error), poll time.Duration) *Notifier {
	n := &Notifier{poll: poll, polling: polling, trees: map[*Tree]bool{}, ended: make(chan struct{})}
	// An os.File that does not block waits in Go's poller: no thread, no timer.
	fd, err := initialize(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		polling(os.NewSyscallError("inotify_init1", err))
		go n.lookAgain()
		return n
	}
	n.file = os.NewFile(uintptr(fd), "inotify")
	go n.read(n.file)
	return n
}

// Close ends the Notifier. The Trees are not told of changes any more.
func (n *Notifier) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file != nil {
		_ = n.file.Close() // nothing is lost
		n.file = nil
	}
	close(n.ended)
}

// read drops the events: which files they are about does not matter, nor does it if the
// kernel had to drop some itself.
func (n *Notifier) read(file *os.File) {
	buffer := make([]byte, 4096)
	for {
		if _, err := file.Read(buffer); err != nil {
			return
		}
		n.wake()
	}
}

func (n *Notifier) lookAgain() {
	ticker := time.NewTicker(n.poll)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			n.wake()
		case <-n.ended:
			return
		}
	}
}

func (n *Notifier) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for t := range n.trees {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// watch asks for the events of a file or a directory. It returns 0 where there are none:
// nothing is there (the directory that would hold it is watched), or it must not be read.
func (n *Notifier) watch(path string) (descriptor int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == nil {
		return 0
	}
	err := onFile(n.file, func(fd int) (err error) {
		descriptor, err = unix.InotifyAddWatch(fd, path, events)
		return err
	})
	switch {
	case err == nil:
		return descriptor
	case err == unix.ENOENT, err == unix.ENOTDIR, err == unix.ELOOP, err == unix.EACCES, errors.Is(err, os.ErrClosed):
		return 0
	}
	_ = n.file.Close() // ends read
	n.file = nil
	n.polling(os.NewSyscallError("inotify_add_watch", err))
	go n.lookAgain()
	return 0
}

// use says which descriptors a Tree needs now, and removes those that none needs.
func (n *Notifier) use(t *Tree, descriptors map[int]bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := t.descriptors
	t.descriptors = descriptors
	for d := range before {
		if n.file != nil && !n.needed(d) {
			_ = onFile(n.file, func(fd int) error {
				_, err := unix.InotifyRmWatch(fd, uint32(d))
				return err // the kernel has removed it with its file
			})
		}
	}
}

func (n *Notifier) needed(descriptor int) bool {
	for t := range n.trees {
		if t.descriptors[descriptor] {
			return true
		}
	}
	return false
}

// onFile calls f with the descriptor of a file. File.Fd would make it block.
func onFile(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}
