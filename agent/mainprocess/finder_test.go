package mainprocess

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// newFinder makes a Finder that has the memory, or none.
func newFinder(t *testing.T, tg Target, memory ...Memory) *Finder {
	f := NewFinder(tg, append(memory, nil)[0])
	t.Cleanup(func() {
		if f.last != nil {
			f.last.Close()
		}
	})
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
		_, err := f.Current()
		wantError[*NoneError](t, err)
		cmd := start(t, path, "60")
		first := current(t, f)
		if again := current(t, f); again != first {
			t.Errorf("%s: a living process is not kept", tg)
		}
		end(cmd)
		_, err = f.Current()
		if e := wantError[*GoneError](t, err, tg.String(), "has exited already"); e.PID != first.PID() {
			t.Errorf("%s: between two: %+v", tg, e)
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
	_, err := f.Current()
	wantError[*NoneError](t, err, "no such file")
	write(one.Process.Pid)
	if p := current(t, f); p.PID() != one.Process.Pid {
		t.Errorf("found %d, want %d", p.PID(), one.Process.Pid)
	}
	end(one)
	_, err = f.Current()
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
					var gone *GoneError
					var none *NoneError
					if !errors.As(err, &gone) && !errors.As(err, &none) {
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
		testutil.Eventually(t, "the new process", func() bool {
			p, err := f.Current()
			return err == nil && p.PID() == cmd.Process.Pid
		})
		end(cmd)
	}
	close(stop)
	users.Wait()
}

// notes are a Memory.
type notes struct {
	found map[string]state.MainIdentity
	err   error
}

func (n *notes) Seen(target string) (state.MainIdentity, bool) {
	found, ok := n.found[target]
	return found, ok
}

func (n *notes) SaveSeen(target string, found state.MainIdentity) error {
	if n.err == nil {
		n.found = map[string]state.MainIdentity{target: found}
	}
	return n.err
}

// An exec'd hook is a new process: what another one of this instance has seen has
// exited, what nobody has seen is not found.
func TestFinderKnowsWhatOthersSaw(t *testing.T) {
	checkLeaks(t)
	path, cmd := sleeper(t, "seen-by-others")
	file := writePidfile(t, strconv.Itoa(cmd.Process.Pid))
	targets := []Target{
		target(t, "pid:%d", cmd.Process.Pid), target(t, "pidfile:%s", file), target(t, "exe:%s", path), target(t, "name:seen-by-others"),
	}
	memories, early := map[Target]*notes{}, map[Target]*Finder{}
	for _, tg := range targets {
		memories[tg] = &notes{}
		early[tg] = newFinder(t, tg, memories[tg])
		f := newFinder(t, tg, memories[tg])
		if f.Seen() {
			t.Errorf("%s: seen before it was looked for", tg)
		}
		p := current(t, f)
		if got := memories[tg].found[tg.String()]; got != p.Identity() || !f.Seen() {
			t.Errorf("%s: noted %s, want %s", tg, got, p.Identity())
		}
	}
	// A pidfile that the server has removed before its end: it is there still.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	current(t, newFinder(t, targets[1], memories[targets[1]]))
	end(cmd)
	for _, tg := range targets {
		// Also one that was made before the others saw it.
		for _, f := range []*Finder{newFinder(t, tg, memories[tg]), early[tg]} {
			_, err := f.Current()
			if e := wantError[*GoneError](t, err, tg.String()); e.PID != cmd.Process.Pid {
				t.Errorf("%+v", e)
			}
		}
		for _, memory := range []*notes{{}, {err: os.ErrPermission}} {
			_, err := newFinder(t, tg, memory).Current()
			wantError[*NoneError](t, err, tg.String()+" not found")
		}
	}
}

// Who waits for the exit of the process that a run began with is not led astray by
// what matches later.
func TestFinderWaitsForTheOneSeen(t *testing.T) {
	checkLeaks(t)
	path := program(t, "/bin/sleep", "began-with")
	one := start(t, path, "60")
	f := newFinder(t, target(t, "exe:%s", path))
	began := current(t, f).Identity()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	two, three := start(t, path, "60"), start(t, path, "60")
	for _, f := range []*Finder{f, newFinder(t, f.Target())} {
		if err := f.WaitExit(cancelled, &began); !errors.Is(err, context.Canceled) {
			t.Errorf("while it lives: %v", err)
		}
	}
	result := make(chan error, 1)
	go func() { result <- f.WaitExit(t.Context(), &began) }()
	end(one)
	if err := <-result; err != nil {
		var gone *GoneError // it was quicker
		if !errors.As(err, &gone) {
			t.Error(err)
		}
	}
	for _, f := range []*Finder{f, newFinder(t, f.Target())} {
		_, err := f.Current()
		wantError[*AmbiguousError](t, err)
		err = f.WaitExit(t.Context(), &began)
		if e := wantError[*GoneError](t, err); e.PID != began.PID {
			t.Errorf("%+v", e)
		}
	}
	end(two)
	end(three)
}
