package state

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// childHold takes the lock and keeps it until its stdin ends.
func childHold(dir string) error {
	s, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	l, err := s.Hook("prestart").Lock(context.Background())
	if err != nil {
		return err
	}
	fmt.Println("locked")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return l.Unlock()
}

// childOwners takes the lock three times, and each time proves that nobody else
// has it by a file that only one may make.
func childOwners(dir string, try bool) error {
	s, err := Open(Options{Dir: dir})
	if err != nil {
		return err
	}
	h := s.Hook("prestart")
	for range 3 {
		var l *Lock
		for ok := false; !ok; {
			if l, ok, err = h.TryLock(); err != nil {
				return err
			}
			if !ok && !try {
				if l, err = h.Lock(context.Background()); err != nil {
					return err
				}
				ok = true
			}
			if !ok {
				time.Sleep(time.Millisecond)
			}
		}
		owner := filepath.Join(dir, "owner")
		f, err := os.OpenFile(owner, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("two owners at a time: %w", err)
		}
		f.Close()
		if err := bump(filepath.Join(dir, "count")); err != nil {
			return err
		}
		if err := os.Remove(owner); err != nil {
			return err
		}
		if err := l.Unlock(); err != nil {
			return err
		}
	}
	return nil
}

// bump adds 1 to a file's number, in a way that loses counts without a lock.
func bump(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(data))
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strconv.Itoa(n+1)), 0o600)
}

func TestOneOwnerAmongManyProcesses(t *testing.T) {
	testutil.Slow(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "count"), []byte("0"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := testStore(t, Options{Dir: dir}).Hook("prestart")
	const processes = 100
	var all sync.WaitGroup
	failed := make(chan error, processes)
	for i := range processes {
		mode := "wait"
		if i%2 == 0 {
			mode = "try"
		}
		cmd := command(t.Context(), "owners", dir, mode)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all.Go(func() { failed <- cmd.Wait() })
	}
	stop := make(chan struct{})
	var probes sync.WaitGroup
	probes.Go(func() { // looking must not make anybody fail
		for tick := time.NewTicker(100 * time.Microsecond); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if _, err := h.Busy(); err != nil {
				t.Errorf("Busy: %v", err)
				return
			}
		}
	})
	all.Wait()
	close(stop)
	probes.Wait()
	for range processes {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	got, _ := os.ReadFile(filepath.Join(dir, "count"))
	if string(got) != "300" {
		t.Errorf("counted %s under the lock, want 300", got)
	}
}

func TestLockWaitsForAnotherProcess(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	other := start(t, command(t.Context(), "hold", s.Dir()))
	other.expect(t, "locked")

	if _, ok, err := h.TryLock(); ok || err != nil {
		t.Fatalf("TryLock beside an owner: %v, %v", ok, err)
	}
	got := make(chan error, 1)
	go func() {
		l, err := h.Lock(t.Context())
		if err == nil {
			err = l.Unlock()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("Lock returned beside an owner: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	other.in.Close()
	select {
	case err := <-got:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Lock did not return after the owner had gone")
	}
}

func TestLockIsFreeWhenItsOwnerIsKilled(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	other := start(t, command(t.Context(), "hold", s.Dir()))
	other.expect(t, "locked")
	if busy, err := h.Busy(); !busy || err != nil {
		t.Fatalf("Busy beside an owner: %v, %v", busy, err)
	}
	other.kill()
	if busy, err := h.Busy(); busy || err != nil {
		t.Fatalf("Busy after its death: %v, %v", busy, err)
	}
	l, ok, err := h.TryLock()
	if !ok || err != nil {
		t.Fatalf("TryLock after its death: %v, %v", ok, err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestLockEndsWithItsContext(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	owner := mustLock(t, h)

	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			if _, err := h.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Lock: %v, want the context's error", err)
			}
		})
	}
	callers.Wait()
	if took := time.Since(begin); took < 100*time.Millisecond || took > 5*time.Second {
		t.Errorf("took %v, want about 100ms", took)
	}
	if err := owner.Unlock(); err != nil {
		t.Fatal(err)
	}
	// Whoever still waited gives it back.
	next := mustLock(t, h)
	if err := next.Unlock(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "nobody holds the lock", func() bool {
		busy, err := h.Busy()
		return err == nil && !busy
	})
}

func TestManyWaitersEachGetTheLock(t *testing.T) {
	h := testStore(t, Options{}).Hook("prestart")
	owner := mustLock(t, h)
	var holders, served atomic.Int32
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			l := mustLock(t, h)
			if n := holders.Add(1); n != 1 {
				t.Errorf("%d holders at a time", n)
			}
			served.Add(1)
			holders.Add(-1)
			_ = l.Unlock()
		})
	}
	if err := owner.Unlock(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if served.Load() != 200 {
		t.Errorf("%d of 200 got the lock", served.Load())
	}
}

func TestChildrenDoNotInheritTheLock(t *testing.T) {
	h := testStore(t, Options{}).Hook("prestart")
	l := mustLock(t, h)
	w, err := l.Output("r1")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteLine(time.Now(), "a", "stdout", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	// A program that is started now, as steps are, and lives on.
	r, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", "ls -l /proc/self/fd; echo ready; exec sleep 30")
	cmd.Stdout = pw
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pw.Close()
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for lines := bufio.NewScanner(r); lines.Scan() && lines.Text() != "ready"; {
		if strings.Contains(lines.Text(), h.dir) {
			t.Errorf("a child holds %s", lines.Text())
		}
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	next, ok, err := h.TryLock()
	if !ok || err != nil {
		t.Fatalf("a child keeps the lock: %v, %v", ok, err)
	}
	_ = next.Unlock()
}

func TestLockOfARemovedDirectoryDoesNotCount(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	old := mustLock(t, h)
	waiter := make(chan *Lock, 1)
	go func() { waiter <- mustLock(t, h) }()
	testutil.Eventually(t, "the waiter waits", func() bool { return len(h.waiting) == 1 })
	if err := os.RemoveAll(filepath.Join(s.Dir(), "hooks")); err != nil {
		t.Fatal(err)
	}
	other := mustLock(t, h) // of the new directory
	if err := old.Unlock(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-waiter:
		t.Fatal("two owners: one of the directory that was removed")
	case <-time.After(100 * time.Millisecond):
	}
	_ = other.Unlock()
	_ = (<-waiter).Unlock()
}

// Who waits for nobody any more does not make a directory again that was removed.
func TestAWaiterThatHasGoneMakesNothing(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	owner := mustLock(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { _, err := h.Lock(ctx); gone <- err }()
	testutil.Eventually(t, "the waiter waits", func() bool { return len(h.waiting) == 1 })
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(s.Dir(), "hooks")), owner.Unlock()); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "nobody waits", func() bool { return len(h.waiting) == 0 })
	if _, err := os.Stat(h.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory: %v", err)
	}
}

func TestBusyWithoutOpenFileDescriptionLocks(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	asked := 0
	s.probe = func(fd int) (bool, error) { asked++; return probeFlock(fd) }
	l := mustLock(t, h)
	if busy, err := h.Busy(); !busy || err != nil {
		t.Fatalf("held: %v, %v", busy, err)
	}
	_ = l.Unlock()
	if busy, err := h.Busy(); busy || err != nil {
		t.Fatalf("free: %v, %v", busy, err)
	}
	if asked != 2 {
		t.Fatalf("probed %d times, want 2", asked)
	}
}

func TestUnlockedLockDoesNothing(t *testing.T) {
	h := testStore(t, Options{}).Hook("prestart")
	l := mustLock(t, h)
	w, err := l.Output("r1")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatalf("second Unlock: %v", err)
	}
	_, outErr := l.Output("r2")
	for what, err := range map[string]error{
		"Write":       l.Write(Record{RunID: "r1", Outcome: Running}),
		"HideMarker":  l.HideMarker(),
		"WriteMarker": l.WriteMarker(nil),
		"Reserve":     l.Reserve(),
		"Output":      outErr,
		"WriteLine":   w.WriteLine(time.Now(), "a", "stdout", []byte("x"), 0),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Unlock: %v, want fs.ErrClosed", what, err)
		}
	}
	entries, _ := os.ReadDir(h.dir)
	if len(entries) != 1 || entries[0].Name() != runsName {
		t.Errorf("left behind: %v", entries)
	}
}

func TestHookNamesStayInTheDirectory(t *testing.T) {
	s := testStore(t, Options{})
	for _, name := range []string{"", "..", "../x", "a/b", "A", "-a", "a-", "a.b", "a\x00", string(make([]byte, 64))} {
		h := s.Hook(name)
		var bad *NameError
		if _, err := h.Lock(t.Context()); !errors.As(err, &bad) {
			t.Errorf("Lock of %q: %v", name, err)
		}
		if _, _, err := h.TryLock(); !errors.As(err, &bad) {
			t.Errorf("TryLock of %q: %v", name, err)
		}
		if _, _, err := h.Read(); !errors.As(err, &bad) {
			t.Errorf("Read of %q: %v", name, err)
		}
		if _, err := h.Busy(); !errors.As(err, &bad) {
			t.Errorf("Busy of %q: %v", name, err)
		}
		if err := h.ReadOutput(io.Discard, AllLines); !errors.As(err, &bad) {
			t.Errorf("ReadOutput of %q: %v", name, err)
		}
		if err := h.FollowOutput(t.Context(), io.Discard, AllLines); !errors.As(err, &bad) {
			t.Errorf("FollowOutput of %q: %v", name, err)
		}
	}
	for _, name := range []string{"a", "prestart", "my-hook-2", "0"} {
		l, err := s.Hook(name).Lock(t.Context())
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		_ = l.Unlock()
	}
}
