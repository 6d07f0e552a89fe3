package watched

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// projected is a volume as kubelet makes it: a link to a directory that is replaced.
type projected struct {
	t   *testing.T
	dir string
	n   int
}

func (p *projected) path() string { return filepath.Join(p.dir, "..data", "token") }

func (p *projected) replace(text string) {
	p.t.Helper()
	p.n++
	version := filepath.Join(p.dir, strings.Repeat("v", p.n))
	err := os.Mkdir(version, 0o755)
	if err == nil && text != "" {
		err = os.WriteFile(filepath.Join(version, "token"), []byte(text), 0o600)
	}
	if err == nil {
		err = os.Symlink(version, filepath.Join(p.dir, "new"))
	}
	if err == nil {
		err = os.Rename(filepath.Join(p.dir, "new"), filepath.Join(p.dir, "..data"))
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func TestFileIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &projected{t: t, dir: t.TempDir()}
		p.replace("first")
		var log bytes.Buffer
		reads := 0
		f, err := Open(slog.New(slog.NewTextHandler(&log, nil)), "tokens", func() (string, error) {
			reads++
			text, err := Read(p.path())
			return string(text), err
		}, p.path())
		if err != nil {
			t.Fatal(err)
		}
		is := func(want string, times int) {
			t.Helper()
			if got := f.Get(); got != want || reads != times {
				t.Errorf("the value is %q after %d reads, want %q after %d", got, reads, want, times)
			}
		}
		is("first", 1)
		p.replace("second")
		time.Sleep(lookInterval - time.Millisecond)
		is("first", 1)
		time.Sleep(time.Millisecond)
		is("second", 2)
		time.Sleep(time.Minute)
		is("second", 2) // nothing has changed
		p.replace("")
		time.Sleep(lookInterval)
		is("second", 3)
		time.Sleep(lookInterval)
		is("second", 3) // one entry in the log, not one each second
		p.replace("third")
		time.Sleep(lookInterval)
		is("third", 4)
		if text := log.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "the last good value stays in force") ||
			strings.Count(text, `msg="tokens read again"`) != 2 {
			t.Errorf("the log is\n%s", text)
		}
	})
}

func TestFileThatCannotBeRead(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := Open(nil, "x", func() ([]byte, error) { return Read(missing) }, missing); err == nil {
		t.Error("a missing file is opened")
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := Read(fifo)
		done <- err
	}()
	select {
	case <-done: // empty, or an error: it does not block
	case <-time.After(10 * time.Second):
		t.Fatal("a FIFO blocks")
	}
}

// A caller does not wait for one that a file system holds up.
func TestSlowFileHoldsUpOneCaller(t *testing.T) {
	p := &projected{t: t, dir: t.TempDir()}
	p.replace("first")
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := false
	f, err := Open(slog.New(slog.DiscardHandler), "x", func() (string, error) {
		if slow {
			once.Do(func() { close(entered) })
			<-release
			return "second", nil
		}
		return "first", nil
	}, p.path())
	if err != nil {
		t.Fatal(err)
	}
	slow, f.next = true, time.Time{}
	p.replace("second")
	got := make(chan string)
	go func() { got <- f.Get() }()
	<-entered
	if value := f.Get(); value != "first" {
		t.Errorf("another caller gets %q", value)
	}
	close(release)
	if value := <-got; value != "second" {
		t.Errorf("the reader gets %q", value)
	}
}
