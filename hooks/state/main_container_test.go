package state

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// rooted is a process of a fakeProc by its parent, start and root mount.
func (p fakeProc) rooted(pid, parent, start int, root string) {
	p.t.Helper()
	p.process(fmt.Sprint(pid), fmt.Sprintf("%d (x) S %d 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 1 1\n", pid, parent, start), rootedAt(root))
}

func rootedAt(root string) string { return root + " 1 0:2 / / rw - overlay overlay rw\n" }

// sharedProc is the /proc of podhook in the container with the root mount 20, beside
// PID 1 with another one.
func sharedProc(t *testing.T, one string) fakeProc {
	p := fakeProc{t, t.TempDir()}
	p.process("self", "", rootedAt("20"))
	p.rooted(1, 0, 1, one)
	p.rooted(20, 0, 100, "20")
	return p
}

func TestOtherContainer(t *testing.T) {
	for name, c := range map[string]struct {
		processes func(p fakeProc)
		one       string
		first     int // 0 for none
	}{
		"the first process":             {func(p fakeProc) { p.rooted(7, 0, 200, "30") }, "10", 7},
		"a child of it":                 {func(p fakeProc) { p.rooted(5, 0, 200, "30"); p.rooted(7, 5, 300, "30") }, "10", 5},
		"exec'd beside it":              {func(p fakeProc) { p.rooted(5, 0, 200, "30"); p.rooted(7, 0, 300, "30") }, "10", 5},
		"PID 1 has adopted it":          {func(p fakeProc) { p.rooted(5, 0, 200, "30"); p.rooted(7, 1, 300, "30") }, "10", 5},
		"with mounts of its own":        {func(p fakeProc) { p.rooted(5, 0, 200, "30"); p.rooted(7, 5, 300, "31") }, "10", 5},
		"with hostPID, below a shim":    {func(p fakeProc) { p.rooted(4, 1, 50, "10"); p.rooted(5, 4, 200, "30"); p.rooted(7, 5, 300, "30") }, "10", 5},
		"podhook's own container":       {func(p fakeProc) { p.rooted(7, 20, 300, "20") }, "10", 0},
		"own, with mounts of its own":   {func(p fakeProc) { p.rooted(7, 20, 300, "31") }, "10", 0},
		"the pod's pause":               {func(p fakeProc) { p.rooted(7, 1, 300, "10") }, "10", 0},
		"not shared: PID 1 is our own":  {func(p fakeProc) { p.rooted(7, 1, 300, "31") }, "20", 0},
		"gone":                          {func(fakeProc) {}, "10", 0},
		"its parents are their parents": {func(p fakeProc) { p.rooted(7, 8, 300, "30"); p.rooted(8, 7, 200, "30") }, "10", 8},
	} {
		p := sharedProc(t, c.one)
		c.processes(p)
		s := &Store{proc: p.fs(), instance: currentInstance(p.fs())}
		got := s.OtherContainer(&MainIdentity{PID: 7})
		switch {
		case c.first == 0 && got != nil, c.first != 0 && got == nil:
			t.Errorf("%s: %+v", name, got)
		case got != nil && (got.PID != c.first || !s.goesOn(got)):
			t.Errorf("%s: %+v, want first process %d, which lives", name, got, c.first)
		}
	}
	if got := (&Store{}).OtherContainer(nil); got != nil {
		t.Errorf("without a main process: %+v", got)
	}
}

// What Current says of a record, by what it was for.
func TestCurrent(t *testing.T) {
	p := sharedProc(t, "10")
	p.rooted(7, 0, 200, "30")
	s := &Store{proc: p.fs(), instance: currentInstance(p.fs())}
	main := &MainIdentity{PID: 7, StartTime: 200}
	s.LookAfter(func() *MainIdentity { return main })
	goesOn := *s.OtherContainer(main)
	other := func(change func(*ContainerStart)) *ContainerStart {
		c := goesOn
		change(&c)
		return &c
	}
	here, boot := s.instance.ID, s.instance.Boot
	check := func(name string, r Record, want bool) {
		t.Helper()
		if got := s.Current(r); got != want {
			t.Errorf("%s: current %t", name, got)
		}
	}
	check("for a container that goes on", Record{Instance: here, Main: main, For: &goesOn}, true)
	check("by an earlier start of podhook's container", Record{Instance: "earlier", Main: main, For: &goesOn}, true)
	check("another first process", Record{Instance: here, Main: main, For: other(func(c *ContainerStart) { c.PID = 20 })}, false)
	check("with its number", Record{Instance: here, Main: main, For: other(func(c *ContainerStart) { c.Began-- })}, false)
	check("in another boot", Record{Instance: here, Main: main, For: other(func(c *ContainerStart) { c.ID = "x" })}, false)
	check("one that has ended", Record{Instance: here, Main: main, For: other(func(c *ContainerStart) { c.PID = 99 })}, false)
	check("begun before the main process", Record{Instance: "earlier", Boot: boot, StartTicks: 200}, true)
	check("before its container", Record{Instance: here, Boot: boot, StartTicks: 199}, false)
	check("when an earlier one was ending", Record{Instance: here, Boot: boot, StartTicks: 199, Main: &MainIdentity{PID: 6}}, false)
	check("before the machine's boot", Record{Instance: "earlier", Boot: "x", StartTicks: 900}, false)

	// A zombie has no mounts any more.
	if err := os.WriteFile(filepath.Join(p.dir, "7/mountinfo"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("for a container whose first process is a zombie", Record{Instance: here, Main: main, For: &goesOn}, false)
	main = nil
	check("without any main process", Record{Instance: here, Boot: boot, StartTicks: 300}, true)
	check("that, before a restart", Record{Instance: "earlier", Boot: boot, StartTicks: 300}, false)
	main = &MainIdentity{PID: 20}
	check("for podhook's own container", Record{Instance: here, Main: main}, true)
	check("that, before a restart", Record{Instance: "earlier", Main: main}, false)
}
