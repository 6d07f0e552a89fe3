package hooks

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// beside returns a Runner as another process with the same state has it.
func (b *bench) beside() *Runner {
	b.t.Helper()
	store, err := state.Open(state.Options{Dir: b.path("state")})
	if err != nil {
		b.t.Fatal(err)
	}
	o := b.Options
	o.Store = store
	r := New(b.t.Context(), o)
	r.slack = b.slack
	return r
}

// call calls a hook and checks the outcome.
func (b *bench) call(r *Runner, name string, req Request, outcome state.Outcome, already bool) Result {
	b.t.Helper()
	result, err := r.Call(b.t.Context(), name, req)
	if err != nil || result.Record.Outcome != outcome || result.Already != already {
		b.t.Fatalf("%s: %+v, %v; want %s, already %v", name, result, err, outcome, already)
	}
	return result
}

// A joiner waits as long as the hook's timeout allows the run to take, and no longer.
func TestAJoinersPatience(t *testing.T) {
	b := newBench(t, `hooks:
  short: {timeout: 300ms, steps: [{exec: ["true"], killAfter: 200ms}]}
  long: {timeout: 30s, steps: [{exec: ["true"], killAfter: 200ms}]}
`)
	b.slack = 100 * time.Millisecond
	other := b.beside()
	hold := func(name string) *state.Lock {
		lock, ok, err := other.Options.Store.Hook(name).TryLock()
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return lock
	}
	short, long := hold("short"), hold("long")
	began := time.Now()
	flight, _, err := b.Start("long", Request{})
	if err != nil {
		t.Fatal(err)
	}
	var stuck *StuckError
	if _, err := b.Call(t.Context(), "short", Request{}); !errors.As(err, &stuck) || stuck.Hook != "short" || stuck.After != 600*time.Millisecond {
		t.Errorf("%v, want a StuckError after 600ms", err)
	}
	testutil.Within(t, time.Since(began), 600*time.Millisecond, 15*time.Second)
	_ = short.Unlock()
	_ = long.Unlock()
	if result, err := flight.Wait(t.Context()); err != nil || result.Record.Outcome != state.Succeeded {
		t.Errorf("%+v, %v: the other hook's timeout is longer", result, err)
	}
}

// mountState mounts a file system of its own for the bench's state, which is empty.
func (b *bench) mountState(options string) {
	b.t.Helper()
	testutil.NeedRoot(b.t, "mount")
	if err := unix.Mount("tmpfs", b.path("state"), "tmpfs", 0, options); err != nil {
		b.t.Skipf("tmpfs cannot be mounted here: %v", err)
	}
	b.t.Cleanup(func() { _ = unix.Unmount(b.path("state"), unix.MNT_DETACH) })
}

// fill uses up the space in the state, and removes what podhook has reserved.
func (b *bench) fill() {
	b.t.Helper()
	runs, _ := filepath.Glob(b.path("state/hooks/*/run.json"))
	for _, path := range runs {
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.Truncate(path, int64(len(bytes.TrimRight(text, "\x00"))))
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	f, err := os.OpenFile(b.path("state/filler"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		b.t.Fatal(err)
	}
	f.Close()
}

const counted = `hooks:
  shutdown: {steps: [{exec: [sh, -c, "echo drained >>DIR/ran"]}]}
  demo: {steps: [{exec: [sh, -c, "echo demo >>DIR/ran"]}]}
`

// A process that could not record a success does not do the work again. It records the
// success as soon as it can.
func TestADrainThatCannotBeRecordedIsDoneOnce(t *testing.T) {
	b := newBench(t, counted)
	b.mountState("size=64k,mode=700")
	b.fill()
	first := b.call(b.Runner, "shutdown", Request{Trigger: state.TriggerHTTP}, state.Failed, false)
	contains(t, first.Record.Reason, "all steps succeeded, but the state cannot be written", "no space left", "PODHOOK_STATE_DIR")
	for range 2 {
		again := b.call(b.Runner, "shutdown", Request{Trigger: state.TriggerSignal}, state.Failed, true)
		if again.Record.RunID != first.Record.RunID || again.Record.Reason != first.Record.Reason {
			t.Errorf("got %+v, want %+v", again.Record, first.Record)
		}
	}
	var lost *NotRecordedError
	if _, err := b.Call(t.Context(), "demo", Request{}); !errors.As(err, &lost) {
		t.Errorf("demo: %v, want it not run", err)
	}
	if err := os.Remove(b.path("state/filler")); err != nil {
		t.Fatal(err)
	}
	b.call(b.Runner, "shutdown", Request{}, state.Succeeded, true)
	if now := b.call(b.beside(), "shutdown", Request{}, state.Succeeded, true); now.Record.RunID != first.Record.RunID {
		t.Errorf("recorded: %+v", now.Record)
	}
	if !b.exists("state/hooks/shutdown/marker") {
		t.Error("no marker")
	}
	if got := b.read("ran"); got != "drained\n" {
		t.Errorf("ran %q", got)
	}
	b.call(b.Runner, "shutdown", Request{Force: true}, state.Succeeded, false)
	if rec := b.call(b.Runner, "shutdown", Request{}, state.Succeeded, true).Record; rec.Totals.Runs[state.Succeeded] != 2 {
		t.Errorf("totals %+v, want 2 runs", rec.Totals.Runs)
	}
}

func TestWithoutAStateTheDrainIsDoneOnce(t *testing.T) {
	b := newBench(t, counted, func(o *Options) { o.Store, o.StoreErr = nil, errors.New("no place") })
	b.call(b.Runner, "shutdown", Request{}, state.Failed, false)
	b.call(b.Runner, "shutdown", Request{}, state.Failed, true)
	b.call(b.Runner, "shutdown", Request{Force: true}, state.Failed, false)
	if got := b.read("ran"); got != "drained\ndrained\n" {
		t.Errorf("ran %q", got)
	}
}

// A state that is full for a while does not harm a run: the success and all records after
// that are written.
func TestSpaceThatComesBack(t *testing.T) {
	const (
		fill = `
- {name: fill, exec: [sh, -c, "truncate -s $(tr -d '\\\\0' <DIR/state/hooks/demo/run.json | wc -c) DIR/state/hooks/demo/run.json; head -c 1000000 /dev/zero >DIR/state/filler; test -s DIR/state/filler"]}
- {name: more, exec: ["true"]}
- {name: free, exec: [rm, DIR/state/filler]}
`
		last = `- {name: last, exec: [sh, -c, "until grep -aq '\"name\":\"last\",\"kind\":\"exec\",\"outcome\":\"running\"' DIR/state/hooks/demo/run.json; do sleep 0.01; done"]}
`
	)
	for _, steps := range [][]string{{fill}, {fill, last}} {
		b := newBench(t, hook(strings.Join(steps, "")))
		b.mountState("size=64k,mode=700")
		if rec := b.run(); rec.Outcome != state.Succeeded {
			t.Errorf("%s: %s", rec.Outcome, rec.Reason)
		}
		b.call(b.beside(), "demo", Request{}, state.Succeeded, true)
	}
}

// A call that finds a success makes no file.
func TestARecordedSuccessCounts(t *testing.T) {
	b := newBench(t, counted)
	b.mountState("size=1m,nr_inodes=40,mode=700")
	done := b.call(b.Runner, "demo", Request{}, state.Succeeded, false).Record.RunID
	other := b.beside()
	told := func(when string) {
		t.Helper()
		if rec := b.call(other, "demo", Request{}, state.Succeeded, true).Record; rec.RunID != done {
			t.Errorf("%s: told of %s, want %s", when, rec.RunID, done)
		}
	}
	useUp := func() {
		t.Helper()
		var err error
		for err == nil {
			err = os.WriteFile(b.path("state/"+rand.Text()), nil, 0o600)
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	useUp()
	told("no inode is left")
	var lost *NotRecordedError
	if err := unix.Mount("", b.path("state"), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	told("read-only")
	if _, err := b.Call(t.Context(), "demo", Request{Force: true}); !errors.As(err, &lost) || !errors.Is(err, unix.EROFS) {
		t.Errorf("forced on a read-only state: %v", err)
	} else {
		contains(t, err.Error(), b.path("state"), "mount an emptyDir for podhook and set PODHOOK_STATE_DIR")
	}
	if got := b.read("ran"); got != "demo\n" {
		t.Errorf("ran %q", got)
	}
}
