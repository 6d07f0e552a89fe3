package mainprocess

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

func newFinder(t *testing.T, tg Target) *Finder {
	f := NewFinder(tg)
	t.Cleanup(func() { f.Close() })
	return f
}

func current(t *testing.T, f *Finder) *Process {
	t.Helper()
	p, err := f.Current()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The main container of a pod restarts; the sidecar's agent stays.
func TestFinderNoticesNextMainProcess(t *testing.T) {
	checkLeaks(t)
	path := program(t, "/bin/sleep", "restarting-main")
	for _, tg := range []Target{target(t, "exe:%s", path), target(t, "name:restarting-main")} {
		f := newFinder(t, tg)
		if _, err := f.Current(); !errors.Is(err, ErrNone) {
			t.Fatalf("%s: before the start: %v", tg, err)
		}
		cmd := start(t, path, "60")
		first := current(t, f)
		if again := current(t, f); again != first {
			t.Errorf("%s: a living process is not kept", tg)
		}
		end(cmd)
		if _, err := f.Current(); !errors.Is(err, ErrNone) {
			t.Errorf("%s: between two: %v", tg, err)
		}
		cmd = start(t, path, "60")
		second := current(t, f)
		if second.PID() != cmd.Process.Pid || second.Identity() == first.Identity() {
			t.Errorf("%s: found %s after %s", tg, second.Identity(), first.Identity())
		}
		// Who still holds the first one is told that it has gone.
		if gone, err := first.Signal(syscall.SIGKILL); !gone || err != nil {
			t.Errorf("%s: gone %v, error %v", tg, gone, err)
		}
		if err := first.WaitExit(t.Context()); err != nil {
			t.Errorf("%s: %v", tg, err)
		}
		if !second.Alive() {
			t.Errorf("%s: the second one was harmed", tg)
		}
		end(cmd)
	}
}

func TestFinderPinsPID(t *testing.T) {
	checkLeaks(t)
	_, cmd := sleeper(t, "pinned-main")
	f := newFinder(t, target(t, "pid:%d", cmd.Process.Pid))
	current(t, f)
	end(cmd)
	for range 2 {
		_, err := f.Current()
		if e := wantError[*GoneError](t, err); e.PID != cmd.Process.Pid {
			t.Errorf("%+v", e)
		}
	}
}

func TestFinderFollowsPidfile(t *testing.T) {
	checkLeaks(t)
	_, one := sleeper(t, "first-of-file")
	_, two := sleeper(t, "second-of-file")
	path := filepath.Join(t.TempDir(), "main.pid")
	write := func(pid int) {
		if err := os.WriteFile(path, []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := newFinder(t, target(t, "pidfile:%s", path))
	if _, err := f.Current(); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNone) {
		t.Errorf("before there is a pidfile: %v", err)
	}
	write(one.Process.Pid)
	if p := current(t, f); p.PID() != one.Process.Pid {
		t.Errorf("found %d, want %d", p.PID(), one.Process.Pid)
	}
	end(one)
	_, err := f.Current()
	wantError[*GoneError](t, err)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	// Servers remove their pidfile: that is "gone", not a wrong setting.
	_, err = f.Current()
	if e := wantError[*GoneError](t, err); e.PID != one.Process.Pid {
		t.Errorf("%+v", e)
	}
	write(two.Process.Pid)
	if p := current(t, f); p.PID() != two.Process.Pid {
		t.Errorf("found %d, want %d", p.PID(), two.Process.Pid)
	}
}

func TestFinderForManyAtOnce(t *testing.T) {
	checkLeaks(t)
	path := program(t, "/bin/sleep", "shared-main")
	f := newFinder(t, target(t, "exe:%s", path))
	stop := make(chan struct{})
	var users sync.WaitGroup
	for range 20 {
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				p, err := f.Current()
				if err != nil {
					if !errors.Is(err, ErrNone) {
						t.Error(err)
					}
					continue
				}
				if _, err := p.Signal(syscall.SIGCONT); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		cmd := start(t, path, "60")
		eventually(t, "the new process", func() bool {
			p, err := f.Current()
			return err == nil && p.PID() == cmd.Process.Pid
		})
		end(cmd)
	}
	close(stop)
	users.Wait()
}

func TestFinderClosed(t *testing.T) {
	checkLeaks(t)
	_, cmd := sleeper(t, "finder-closed")
	f := NewFinder(target(t, "pid:%d", cmd.Process.Pid))
	p := current(t, f)
	f.Close()
	if _, err := f.Current(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := p.WaitExit(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
