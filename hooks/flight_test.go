package hooks

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// A forced call that joins a flight which only finds an old success gets a run.
func TestForcedJoinsALook(t *testing.T) {
	b := newBench(t, hook("- {name: a, sleep: 1ms}\n"))
	old := b.call(b.Runner, "demo", Request{}, state.Succeeded, false).Record.RunID
	for what, after := range map[string]func(lock *state.Lock){
		"nothing ran": func(*state.Lock) {},
		"a run ended before it": func(lock *state.Lock) {
			now := time.Now()
			rec := state.Record{RunID: "r1", Start: now, Outcome: state.Succeeded, End: &now}
			if err := lock.Write(rec); err != nil {
				t.Fatal(err)
			}
		},
	} {
		lock, ok, err := b.beside().Options.Store.Hook("demo").TryLock()
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		plain, _, err := b.Start("demo", Request{})
		if err != nil {
			t.Fatal(err)
		}
		testutil.Eventually(t, "the plain call waits", func() bool { return waits(t, b.path("state/hooks/demo/run.json")) })
		after(lock)
		called := time.Now()
		forced, joined, err := b.Start("demo", Request{Force: true})
		if err != nil || !joined {
			t.Fatalf("joined %v, %v", joined, err)
		}
		_ = lock.Unlock()
		for _, f := range []*Flight{plain, forced} {
			result, err := f.Wait(t.Context())
			if rec := result.Record; err != nil || result.Already || rec.RunID == old || rec.End.Before(called) {
				t.Errorf("%s: %+v, %v, want a new run", what, result, err)
			}
		}
	}
}

// waits reports whether a process waits for a flock of the file.
func waits(t *testing.T, path string) bool {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(locks)) {
		if strings.Contains(line, "->") && strings.Contains(line, fmt.Sprintf(":%d ", st.Ino)) {
			return true
		}
	}
	return false
}

// forceAtEnd makes a forced call after the hook's first run has ended and before its
// callers are answered.
type forceAtEnd struct {
	nobody
	once   sync.Once
	force  func()
	called time.Time
}

func (o *forceAtEnd) Ended(state.Record) {
	o.once.Do(func() { o.called = time.Now(); o.force() })
}

func TestForcedDoesNotJoinARunThatHasEnded(t *testing.T) {
	o := &forceAtEnd{}
	b := newBench(t, hook("- {name: a, sleep: 1ms}\n"), func(options *Options) { options.Observer = o })
	var forced *Flight
	o.force = func() {
		var joined bool
		var err error
		if forced, joined, err = b.Start("demo", Request{Force: true}); err != nil || joined {
			t.Errorf("joined %v, %v", joined, err)
		}
	}
	first := b.run()
	result, err := forced.Wait(t.Context())
	if rec := result.Record; err != nil || rec.Outcome != state.Succeeded || rec.RunID == first.RunID || rec.End.Before(o.called) {
		t.Errorf("%+v, %v, want another run than %s", result, err, first.RunID)
	}
}

// A forced call gets a run that ends after the call: its own, or one that it joins. A
// flight that only finds an old success is not enough.
func TestForcedCallsGetANewRun(t *testing.T) {
	b := newBench(t, hook("- {name: a, sleep: 1ms}\n"))
	b.call(b.Runner, "demo", Request{}, state.Succeeded, false)
	runners := []*Runner{b.Runner, b.beside()}
	var runs sync.Map
	for range 30 {
		var callers sync.WaitGroup
		for i := range 40 {
			callers.Go(func() {
				called := time.Now()
				force := i%2 == 0
				result, err := runners[i/2%2].Call(t.Context(), "demo", Request{Force: force})
				rec := result.Record
				if err != nil || rec.Outcome != state.Succeeded {
					t.Errorf("%+v, %v", result, err)
				} else if force && (result.Already || rec.End.Before(called)) {
					t.Errorf("a forced call got run %s, which ended %v before it (already %v, joined %v)", rec.RunID, called.Sub(*rec.End), result.Already, result.Joined)
				}
				runs.Store(rec.RunID, true)
			})
		}
		callers.Wait()
	}
	told := 0
	runs.Range(func(any, any) bool { told++; return true })
	rec := b.call(b.Runner, "demo", Request{}, state.Succeeded, true).Record
	if ran := int(rec.Totals.Runs[state.Succeeded]); ran < 30 || ran > 30*20+1 || told < 30 || told > ran {
		t.Errorf("%d runs, callers were told of %d", ran, told)
	}
}
