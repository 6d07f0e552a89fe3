package show

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// quickly fails the test if f waits for a reader that never comes.
func quickly(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("blocked for 5s")
	}
}

// to is the log at path.
func to(t *testing.T, path string) *NonBlocking {
	return cleaned(t, &NonBlocking{path: path, fallback: -1, fd: -1})
}

// shared is the log on an inherited descriptor that cannot be opened again.
func shared(t *testing.T, fd int) *NonBlocking {
	return cleaned(t, &NonBlocking{path: filepath.Join(t.TempDir(), "none"), fallback: fd, fd: -1})
}

func cleaned(t *testing.T, w *NonBlocking) *NonBlocking {
	t.Cleanup(func() { shut(w) })
	return w
}

// shut closes the log and drops the queue.
func shut(w *NonBlocking) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = nil
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

// arrived reads until the queue of the log is empty.
func arrived(t *testing.T, w *NonBlocking, fd int) string {
	t.Helper()
	var all strings.Builder
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		waits := len(w.queue)
		w.mu.Unlock()
		all.WriteString(available(t, fd))
		if waits == 0 {
			return all.String()
		}
		if time.Now().After(end) {
			t.Fatalf("%d bytes still wait in the log", waits)
		}
	}
}

func write(t *testing.T, w *NonBlocking, line string) {
	t.Helper()
	if n, err := w.Write([]byte(line)); n != len(line) || err != nil {
		t.Errorf("Write is %d, %v, want %d and no error", n, err, len(line))
	}
}

func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// reader opens the other end. It reads only on request.
func reader(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// available is what can be read now.
func available(t *testing.T, fd int) string {
	t.Helper()
	var all bytes.Buffer
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, buf)
		if n > 0 {
			all.Write(buf[:n])
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 {
			return all.String()
		}
	}
}

func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[1]) })
	unix.SetNonblock(p[0], true) // of this end alone: the other one blocks
	return p[0], p[1]
}

func numbered(i int) string { return fmt.Sprintf("line %05d %s\n", i, strings.Repeat("x", 100)) }

// checkLines checks that text is made of whole lines, in their order, and
// returns how many there are.
func checkLines(t *testing.T, text string) int {
	t.Helper()
	last, count := -1, 0
	for line := range strings.Lines(text) {
		var i int
		if _, err := fmt.Sscanf(line, "line %d ", &i); err != nil || i <= last || !strings.HasPrefix(line, numbered(i)[:11]) || !strings.HasSuffix(line, "x\n") {
			t.Fatalf("a broken line follows line %d: %.80q", last, line)
		}
		last, count = i, count+1
	}
	return count
}

func TestFullPipeLosesLinesAndCountsThem(t *testing.T) {
	const lines = 5000 // a pipe takes 64 KiB and the queue 256, about 2900 of them
	shareR, shareW := pipe(t)
	named := fifo(t)
	namedR := reader(t, named)
	for name, c := range map[string]struct {
		log *NonBlocking
		r   int
	}{"opened": {to(t, named), namedR}, "inherited and blocking": {shared(t, shareW), shareR}} {
		t.Run(name, func(t *testing.T) {
			defer unix.Close(c.r)
			quickly(t, func() {
				for i := range lines {
					write(t, c.log, numbered(i))
				}
			})
			lost := c.log.Dropped()
			got := checkLines(t, arrived(t, c.log, c.r))
			if atLeast := (queueLimit + 60<<10) / len(numbered(0)); got < atLeast || got == lines {
				t.Errorf("%d of %d lines were kept while nobody read, want at least %d", got, lines, atLeast)
			}
			if lost != lines-got {
				t.Errorf("%d lines of %d arrived and %d are counted as lost", got, lines, lost)
			}
			write(t, c.log, numbered(lines)) // somebody reads again
			if text := arrived(t, c.log, c.r); text != numbered(lines) || c.log.Dropped() != lost {
				t.Errorf("after the reader is back %.60q arrived and %d more are lost", text, c.log.Dropped()-lost)
			}
		})
	}
}

// The queue keeps a burst that does not fit into the pipe, for a slow reader.
func TestBurstLosesNothing(t *testing.T) {
	for lines, line := range map[int]func(int) string{
		1000:  numbered,
		10000: func(i int) string { return fmt.Sprintf("line %05d xxxxxx x\n", i) },
	} {
		r, fd := pipe(t)
		w := shared(t, fd)
		quickly(t, func() {
			for i := range lines {
				write(t, w, line(i))
			}
		})
		var want strings.Builder
		for i := range lines {
			want.WriteString(line(i))
		}
		if got := arrived(t, w, r); got != want.String() || w.Dropped() != 0 {
			t.Errorf("%d of %d bytes arrived, and %d lines are lost", len(got), want.Len(), w.Dropped())
		}
		unix.Close(r)
	}
}

// At the end of a process, the queue is written while somebody reads.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fd := pipe(t)
		defer unix.Close(r)
		w := shared(t, fd)
		const lines = 1500
		fill := func() string {
			var text strings.Builder
			for i := range lines {
				write(t, w, numbered(i))
				text.WriteString(numbered(i))
			}
			return text.String()
		}
		flush := func() time.Duration {
			began := time.Now()
			w.Flush()
			return time.Since(began)
		}
		want := fill()
		read := make(chan string)
		go func() { // a slow reader
			var all strings.Builder
			for all.Len() < len(want) {
				time.Sleep(flushPatience / 2)
				all.WriteString(available(t, r))
			}
			read <- all.String()
		}()
		if took := flush(); took < flushPatience/2 || took > flushLimit {
			t.Errorf("a log that is read slowly took %v at the end", took)
		}
		if text := <-read; text != want || w.Dropped() != 0 {
			t.Errorf("%d of %d bytes arrived, %d lines are lost", len(text), len(want), w.Dropped())
		}
		fill()
		if took := flush(); took != flushPatience {
			t.Errorf("a log that nobody reads took %v at the end, want %v", took, flushPatience)
		}
		if got := checkLines(t, available(t, r)); got == 0 || got+w.Dropped() != lines {
			t.Errorf("%d lines arrived and %d are lost of %d", got, w.Dropped(), lines)
		}
		fill()
		time.Sleep(flushPatience) // nobody has read for that long: there is nothing to wait for
		if took := flush(); took != 0 {
			t.Errorf("a log that nobody has read for long took %v at the end", took)
		}
	})
}

// A line over PIPE_BUF can be taken in part.
func TestPartOfALineIsCompletedBeforeTheNext(t *testing.T) {
	shareR, shareW := pipe(t)
	named := fifo(t)
	namedR := reader(t, named)
	for name, c := range map[string]struct {
		log *NonBlocking
		r   int
	}{"opened": {to(t, named), namedR}, "inherited": {shared(t, shareW), shareR}} {
		t.Run(name, func(t *testing.T) {
			defer unix.Close(c.r)
			long := "line 00000 " + strings.Repeat("x", 100<<10) + "\n"
			quickly(t, func() {
				write(t, c.log, long)
				write(t, c.log, numbered(1))
			})
			text := available(t, c.r)
			if text == "" || strings.HasSuffix(text, "\n") {
				t.Fatalf("%d bytes are in the pipe, want a part of the line of %d", len(text), len(long))
			}
			write(t, c.log, numbered(2))
			text += arrived(t, c.log, c.r)
			if want := long + numbered(1) + numbered(2); text != want || c.log.Dropped() != 0 {
				t.Errorf("got %d bytes ending in %.60q, want %d: the whole line and the next; %d are lost", len(text), text[max(0, len(text)-60):], len(want), c.log.Dropped())
			}
		})
	}
}

func TestReaderGoneAndBack(t *testing.T) {
	path := fifo(t)
	w := to(t, path)
	quickly(t, func() { write(t, w, numbered(0)) }) // nobody has ever been there
	first := reader(t, path)
	write(t, w, numbered(1))
	write(t, w, strings.Repeat("y", 500<<10)+"\n") // is taken in part
	if text := available(t, first); !strings.HasPrefix(text, numbered(1)) {
		t.Fatalf("the first reader got %.60q", text)
	}
	unix.Close(first)
	quickly(t, func() { write(t, w, numbered(2)) })
	second := reader(t, path)
	defer unix.Close(second)
	write(t, w, numbered(3))
	if text := available(t, second); text != numbered(3) {
		t.Errorf("the second reader got %d bytes, %.60q, want only the line written since", len(text), text)
	}
	if w.Dropped() != 3 {
		t.Errorf("%d lines are counted as lost, want 3: the first, the part, and the one between the readers", w.Dropped())
	}
}

// In early postStart PID 1's stdout may not be there yet (fluid #4454).
func TestLogThatCannotBeOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := to(t, path)
	write(t, w, numbered(0))
	if w.Dropped() != 1 {
		t.Errorf("%d lines are lost, want 1", w.Dropped())
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, w, numbered(1))
	if text, _ := os.ReadFile(path); string(text) != numbered(1) {
		t.Errorf("the file holds %q after it has come", text)
	}
}

// A file system that this process may not write to stands for the stdout of a
// PID 1 of another user: root too gets an error.
func TestLogThatIsNotPermitted(t *testing.T) {
	for _, path := range []string{"/proc/version", t.TempDir(), "/proc/self/mem/none"} {
		w := to(t, path)
		quickly(t, func() { write(t, w, numbered(0)) })
		if w.Dropped() != 1 {
			t.Errorf("%s: %d lines are lost, want 1", path, w.Dropped())
		}
	}
}

func TestRegularFileIsAppendedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("the application's\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	write(t, to(t, path), numbered(1))
	write(t, shared(t, fd), numbered(2))
	if text, _ := os.ReadFile(path); string(text) != "the application's\n"+numbered(1)+numbered(2) {
		t.Errorf("the file holds %q", text)
	}
}

// A socket, which systemd and some runtimes give as stdout, cannot be opened
// through /proc.
func TestSocketIsWrittenWithoutWaiting(t *testing.T) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(p[0], true)
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	w := cleaned(t, &NonBlocking{path: fmt.Sprintf("/proc/self/fd/%d", p[1]), fallback: p[1], fd: -1})
	write(t, w, numbered(0))
	if text := available(t, p[0]); text != numbered(0) || w.fd >= 0 {
		t.Fatalf("the socket got %q, opened as %d", text, w.fd)
	}
	const lines = 20000
	quickly(t, func() {
		for i := range lines {
			write(t, w, numbered(i))
		}
	})
	if got := checkLines(t, arrived(t, w, p[0])); got == 0 || got+w.Dropped() != lines {
		t.Errorf("%d lines arrived and %d are lost of %d", got, w.Dropped(), lines)
	}
}

// A terminal that is stopped by Ctrl-S must not stop a hook.
func TestTerminalIsWrittenWithoutWaiting(t *testing.T) {
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	defer unix.Close(master)
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/dev/pts/%d", n)
	slave, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(slave)
	w := to(t, path)
	write(t, w, "hello\n")
	if text := available(t, master); text != "hello\r\n" {
		t.Errorf("the terminal shows %q", text)
	}
	quickly(t, func() {
		for i := range 4000 {
			write(t, w, numbered(i))
		}
	})
	if w.Dropped() == 0 {
		t.Error("no line is lost on a terminal that nobody reads")
	}
}

// The application shares the description of stdout: podhook must not make it a
// non-blocking one, and must not block if the application fills the pipe.
func TestInheritedDescriptionStaysBlocking(t *testing.T) {
	r, fd := pipe(t)
	defer unix.Close(r)
	named := cleaned(t, &NonBlocking{path: fmt.Sprintf("/proc/self/fd/%d", fd), fallback: fd, fd: -1})
	other := shared(t, fd)
	write(t, named, numbered(0))
	write(t, other, numbered(1))
	if checkLines(t, available(t, r)) != 2 {
		t.Fatal("not both lines have arrived")
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("flags of the inherited description are %#x, %v", flags, err)
	}
	if named.fd < 0 {
		t.Error("the pipe was not opened a second time")
	}
}

func TestManyWritersAndASlowReader(t *testing.T) {
	path := fifo(t)
	fd := reader(t, path)
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	w := to(t, path)
	w.open() // a reader without a writer reads the end
	const writers, each = 8, 2000
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				_, _ = w.Write([]byte(numbered(1)))
			}
		})
	}
	read := make(chan string)
	go func() {
		f := os.NewFile(uintptr(fd), path)
		defer f.Close()
		text, _ := io.ReadAll(f)
		read <- string(text)
	}()
	all.Wait()
	w.Flush()
	if w.fd < 0 {
		t.Fatal("the pipe is not open")
	}
	shut(w)
	got := 0
	for line := range strings.Lines(<-read) {
		if line != numbered(1) {
			t.Fatalf("a broken line: %q", line)
		}
		got++
	}
	if got+w.Dropped() != writers*each {
		t.Errorf("%d lines arrived and %d are lost of %d", got, w.Dropped(), writers*each)
	}
}
