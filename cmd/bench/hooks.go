package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// smallHooks has a hook that runs the smallest program.
const smallHooks = `{hooks: {t: {steps: [{exec: [/bin/true]}]}}}`

const forced = "/hooks/t?force=true"

// hooks compares an exec'd hook with `podhook version`, which does nothing.
func (b *bench) hooks() ([]row, error) {
	var rows []row
	for _, p := range b.places() {
		r := row{Figure: "hook t with /bin/true, time over version's, state on " + p.name, Unit: "x", Goal: new(1.7), Missing: p.missing}
		if p.missing == "" {
			dir, err := os.MkdirTemp(p.dir, "podhook-bench.")
			if err != nil {
				return nil, err
			}
			defer os.RemoveAll(dir)
			all, err := inTurn(b.rounds, wall(nil, b.podhook, "version"), wall(environment(dir, smallHooks), b.podhook, "hook", "t", "--force"))
			if err != nil {
				return nil, err
			}
			r.Podhook, r.Beside = all[1].over(all[0]), fmt.Sprintf("version %.1f ms", milliseconds(all[0].median()))
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// calls compares an HTTP call that runs /bin/true with a bare spawn of it.
func (b *bench) calls() ([]row, error) {
	var rows []row
	bare, err := startFloor(b.http)
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	goals := map[string]float64{"tmpfs": 1.25, "disk": 1.3}
	for _, p := range b.places() {
		r := row{Figure: "an HTTP call that runs /bin/true, over a bare spawn, state on " + p.name, Unit: "x", Goal: new(goals[p.name]), Missing: p.missing}
		if p.missing == "" {
			s, err := b.startAgent(p.dir, smallHooks)
			if err != nil {
				return nil, err
			}
			defer s.stop()
			all, err := inTurn(b.rounds, timed(spawnTrue), s.fetch(forced), bare.fetch("/run"))
			if err != nil {
				return nil, err
			}
			r.Podhook = all[1].over(all[0])
			r.Beside = fmt.Sprintf("the spawn %s, a bare net/http server that does it %.2f x", inMicroseconds(microseconds(all[0].median())), all[2].over(all[0]))
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// spawnTrue runs /bin/true as cheaply as possible.
func spawnTrue() error {
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{})
	if err != nil {
		return err
	}
	_, err = syscall.Wait4(pid, nil, 0, nil)
	return err
}

// growth measures how costs grow.
func (b *bench) growth() ([]row, error) {
	var many strings.Builder
	for i := range 500 {
		fmt.Fprintf(&many, "{name: s%d, exec: [/bin/true]}, ", i)
	}
	young, err := b.startAgent("/dev/shm", smallHooks)
	if err != nil {
		return nil, err
	}
	defer young.stop()
	s, err := b.startAgent("/dev/shm", fmt.Sprintf(`hooks:
  t: {steps: [{exec: [/bin/true]}]}
  many: {steps: [%s]}
  lines1000: {steps: [{exec: [seq, "1000"]}]}
  lines10000: {steps: [{exec: [seq, "10000"]}]}
`, &many))
	if err != nil {
		return nil, err
	}
	defer s.stop()
	rounds := max(b.rounds/20, 3)
	steps, err := inTurn(rounds, s.fetch(forced), s.fetch("/hooks/many?force=true"))
	if err != nil {
		return nil, err
	}
	if _, err := inTurn(20, s.fetch(forced)); err != nil {
		return nil, err
	}
	aged, err := inTurn(20, young.fetch(forced), s.fetch(forced))
	if err != nil {
		return nil, err
	}
	lines, err := inTurn(rounds, s.fetch("/hooks/lines1000?force=true"), s.fetch("/hooks/lines10000?force=true"))
	if err != nil {
		return nil, err
	}
	callers, err := inTurn(rounds, timed(func() error { return s.callers(100) }), timed(func() error { return s.callers(1000) }))
	if err != nil {
		return nil, err
	}
	ms := func(f figures) string { return fmt.Sprintf("%.2f ms", milliseconds(f.median())) }
	return []row{
		{Figure: "500 steps over one", Podhook: steps[1].over(steps[0]), Unit: "x", Goal: new(550.0), Beside: "one step " + ms(steps[0])},
		{Figure: "10,000 lines of output over 1,000", Podhook: lines[1].over(lines[0]), Unit: "x", Goal: new(12.0), Beside: "1,000 lines " + ms(lines[0])},
		{Figure: "1,000 callers of a hook over 100", Podhook: callers[1].over(callers[0]), Unit: "x", Goal: new(12.0), Beside: "100 callers " + ms(callers[0])},
		{Figure: "a run after 20 others over the first 20", Podhook: aged[1].over(aged[0]), Unit: "x", Goal: new(1.2), Beside: "one of the first " + ms(aged[0])},
	}, nil
}

// callers calls a hook that has succeeded n times, 32 at a time.
func (s *served) callers(n int) error {
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	calls := make(chan struct{})
	for range 32 {
		wg.Go(func() {
			for range calls {
				if body, err := s.get("/hooks/t"); err != nil || !bytes.Contains(body, []byte("succeeded")) {
					once.Do(func() { failed = fmt.Errorf("hook t: %w: %s", err, body) })
				}
			}
		})
	}
	for range n {
		calls <- struct{}{}
	}
	close(calls)
	wg.Wait()
	return failed
}

// counts are what strace(1) sees of the second run of an exec'd hook, and of an init.
func (b *bench) counts() ([]row, error) {
	rows := []row{
		{Figure: "fsyncs of a call", Goal: new(0.0), Exact: true},
		{Figure: "files created by a call", Goal: new(2.0), Exact: true},
		{Figure: "system calls of hook t, with those of /bin/true", Exact: true},
		{Figure: "system calls of run -- true, with those of /bin/true", Exact: true},
	}
	trace, missing := findStrace()
	if missing != "" {
		for i := range rows {
			rows[i].Missing = missing
		}
		return rows, nil
	}
	dir, err := os.MkdirTemp(b.dir, "counts.")
	if err != nil {
		return nil, err
	}
	env := environment(dir, smallHooks)
	hook := []string{b.podhook, "hook", "t", "--force"}
	if _, err := wall(env, hook...)(); err != nil { // it makes the state
		return nil, err
	}
	before := names(dir)
	calls, err := trace.calls(filepath.Join(dir, "trace"), env, hook...)
	if err != nil {
		return nil, err
	}
	init, err := trace.calls(filepath.Join(dir, "trace"), nil, b.inits[0].with("/bin/true")...)
	if err != nil {
		return nil, err
	}
	for i, n := range []int{syncs(calls), created(calls, before), len(calls), len(init)} {
		rows[i].Podhook = float64(n)
	}
	return rows, nil
}

// names are those of all files below a directory.
func names(dir string) map[string]bool {
	all := map[string]bool{}
	_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error {
		all[filepath.Base(path)] = true
		return nil
	})
	return all
}
