package mainprocess

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/internal/testutil"
)

func TestFindByEachKind(t *testing.T) {
	checkLeaks(t)
	path, cmd := sleeper(t, "kind-of-main")
	link := filepath.Join(t.TempDir(), "link-to-main") // no other program has the name
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	pidfile := writePidfile(t, strconv.Itoa(cmd.Process.Pid)+"\n")
	for _, tg := range []Target{
		target(t, "pid:%d", cmd.Process.Pid),
		target(t, "pidfile:%s", pidfile),
		target(t, "exe:%s", path),
		target(t, "exe:%s", link),
		target(t, "name:kind-of-main"),
	} {
		p := find(t, tg)
		s, err := procfs.Proc.Stat(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if p.PID() != cmd.Process.Pid || p.start != s.Start || p.Name() != "kind-of-main" || !p.Alive() {
			t.Errorf("%s: found %s (%s), alive %v; want %d@%d", tg, p.Identity(), p.Name(), p.Alive(), s.PID, s.Start)
		}
	}
}

func TestFindByNameOfArgv0(t *testing.T) {
	cmd := exec.Command("/bin/sleep", "60")
	cmd.Args[0] = "/opt/other/named-by-argv0"
	startCmd(t, cmd)
	if p := find(t, target(t, "name:named-by-argv0")); p.PID() != cmd.Process.Pid {
		t.Errorf("found %d, want %d", p.PID(), cmd.Process.Pid)
	}
}

func TestFindByNameLongerThanComm(t *testing.T) {
	_, one := sleeper(t, "a-long-program-name-one")
	_, two := sleeper(t, "a-long-program-name-two")
	if p := find(t, target(t, "name:a-long-program-name-two")); p.PID() != two.Process.Pid {
		t.Errorf("found %d, want %d (the first is %d)", p.PID(), two.Process.Pid, one.Process.Pid)
	}
	_, err := lookFor(target(t, "name:a-long-program-name"))
	wantError[*NoneError](t, err)

	// Its argv[0] says nothing: comm is all there is.
	path := program(t, "/bin/sleep", "another-long-name-of-a-program")
	cmd := exec.Command(path, "60")
	cmd.Args[0] = "renamed"
	startCmd(t, cmd)
	if p := find(t, target(t, "name:another-long-name-of-a-program")); p.PID() != cmd.Process.Pid {
		t.Errorf("found %d, want %d", p.PID(), cmd.Process.Pid)
	}
}

func TestFindByNameWithParenthesesAndSpaces(t *testing.T) {
	_, cmd := sleeper(t, "a) R 1 (b")
	p := find(t, target(t, "name:a) R 1 (b"))
	if p.PID() != cmd.Process.Pid || p.Name() != "a) R 1 (b" {
		t.Errorf("found %d (%s), want %d", p.PID(), p.Name(), cmd.Process.Pid)
	}
}

func TestFindByExeOfRemovedProgram(t *testing.T) {
	path, cmd := sleeper(t, "removed-main")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if p := find(t, target(t, "exe:%s", path)); p.PID() != cmd.Process.Pid {
		t.Errorf("found %d, want %d", p.PID(), cmd.Process.Pid)
	}
}

func TestFindNone(t *testing.T) {
	checkLeaks(t)
	for _, tg := range []Target{
		target(t, "name:no-such-main"),
		target(t, "exe:/no/such/main"),
	} {
		_, err := lookFor(tg)
		if e := wantError[*NoneError](t, err, tg.String()+" not found", "visible processes"); e.Target != tg {
			t.Errorf("%s: %+v", tg, e)
		}
	}
}

// Whether one that is not there was there, only a Finder knows.
func TestFindGone(t *testing.T) {
	checkLeaks(t)
	_, cmd := sleeper(t, "soon-gone")
	pid := cmd.Process.Pid
	end(cmd)
	for _, tg := range []Target{
		target(t, "pid:%d", pid),
		target(t, "pidfile:%s", writePidfile(t, strconv.Itoa(pid))),
	} {
		_, err := lookFor(tg)
		wantError[*NoneError](t, err, tg.String()+" not found: there is no process "+strconv.Itoa(pid))
	}
}

func TestFindNoZombie(t *testing.T) {
	path, cmd := sleeper(t, "zombie-main")
	waiting := find(t, target(t, "name:zombie-main"))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "a zombie", func() bool { return !waiting.Alive() })
	if s, err := procfs.Proc.Stat(cmd.Process.Pid); err != nil || s.State != 'Z' {
		t.Fatalf("it is no zombie: %+v, %v", s, err)
	}
	for _, tg := range []Target{target(t, "name:zombie-main"), target(t, "exe:%s", path), target(t, "pid:%d", cmd.Process.Pid)} {
		_, err := lookFor(tg)
		wantError[*NoneError](t, err)
	}
}

func TestFindProcessWhoseFirstThreadHasExited(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVar+"=leaderless")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	startCmd(t, cmd)
	pid := cmd.Process.Pid
	testutil.Eventually(t, "a leader that is a zombie", func() bool {
		s, err := procfs.Proc.Stat(pid)
		return err == nil && s.State == 'Z' && s.Threads > 1
	})
	if p := find(t, target(t, "pid:%d", pid)); !p.Alive() {
		t.Error("it counts as exited while its other threads run")
	}
	all, err := procfs.Proc.Programs()
	if err != nil {
		t.Fatal(err)
	}
	if _, found := all[pid]; !found {
		t.Error("it is left out of the search")
	}
}

func TestFindRefusesPodhookItself(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tg := range []Target{
		target(t, "pid:%d", os.Getpid()),
		target(t, "pidfile:%s", writePidfile(t, strconv.Itoa(os.Getpid()))),
	} {
		_, err := lookFor(tg)
		if e := wantError[*RefusedError](t, err, tg.String(), "podhook itself"); e.PID != os.Getpid() {
			t.Errorf("refused %d", e.PID)
		}
	}
	for _, tg := range []Target{
		target(t, "exe:%s", self),
		target(t, "name:%s", filepath.Base(self)),
	} {
		if p, err := lookFor(tg); err == nil && p.PID() == os.Getpid() {
			t.Errorf("%s found podhook itself", tg)
		}
	}
}

func TestFindTakesNoThread(t *testing.T) {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != strconv.Itoa(os.Getpid()) {
			_, err := lookFor(target(t, "pid:%s", e.Name()))
			wantError[*NoneError](t, err)
		}
	}
}

func TestFindTakesRootOfTree(t *testing.T) {
	checkLeaks(t)
	// A master, two workers, and a worker's worker with another program between.
	master := program(t, "/bin/sh", "tree-main")
	cmd := exec.Command(master, "-c", `
		"$0" -c 'sleep 60; :' &
		"$0" -c 'sleep 60; :' &
		sh -c '"$0" -c "sleep 60; :"; :' "$0" &
		wait`, master)
	startCmd(t, cmd)
	matching := func() int {
		all, err := procfs.Proc.Programs()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, s := range all {
			if s.Comm == "tree-main" {
				n++
			}
		}
		return n
	}
	testutil.Eventually(t, "4 processes", func() bool { return matching() == 4 })
	for _, tg := range []Target{target(t, "name:tree-main"), target(t, "exe:%s", master)} {
		if p := find(t, tg); p.PID() != cmd.Process.Pid {
			t.Errorf("%s: found %d, want the master %d", tg, p.PID(), cmd.Process.Pid)
		}
	}
}

func TestFindSeveral(t *testing.T) {
	checkLeaks(t)
	path := program(t, "/bin/sleep", "one-of-several")
	one, two := start(t, path, "60"), start(t, path, "60")
	for _, tg := range []Target{target(t, "name:one-of-several"), target(t, "exe:%s", path)} {
		_, err := lookFor(tg)
		e := wantError[*AmbiguousError](t, err, tg.String(),
			fmt.Sprintf("%d (one-of-several)", one.Process.Pid), fmt.Sprintf("%d (one-of-several)", two.Process.Pid))
		pids := []int{one.Process.Pid, two.Process.Pid}
		slices.Sort(pids)
		want := []Candidate{{pids[0], "one-of-several"}, {pids[1], "one-of-several"}}
		if !slices.Equal(e.Candidates, want) {
			t.Errorf("%s: candidates %v, want %v", tg, e.Candidates, want)
		}
	}
	end(one)
	if p := find(t, target(t, "exe:%s", path)); p.PID() != two.Process.Pid {
		t.Errorf("found %d, want %d", p.PID(), two.Process.Pid)
	}
}

// Between the search and the pidfd the PID may go to another process, or the
// process may become another program.
func TestFindLooksAgainAtWhatItHolds(t *testing.T) {
	checkLeaks(t)
	path, cmd := sleeper(t, "held-main")
	s, err := procfs.Proc.Stat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	tg := target(t, "exe:%s", path)
	p, err := tg.hold(s)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	earlier := s
	earlier.Start--
	if _, err := tg.hold(earlier); !errors.Is(err, errGone) {
		t.Errorf("another process with the PID: %v", err)
	}
	if _, err := target(t, "exe:/another/program").hold(s); !errors.Is(err, errGone) {
		t.Errorf("another program: %v", err)
	}
	end(cmd)
	if _, err := tg.hold(s); !errors.Is(err, errGone) {
		t.Errorf("after its exit: %v", err)
	}
}

func TestRootsOfParentsInACircle(t *testing.T) {
	all := map[int]procfs.Stat{2: {PID: 2, PPID: 3}, 3: {PID: 3, PPID: 4}, 4: {PID: 4, PPID: 2}}
	roots := rootsOf(map[int]error{3: nil}, all)
	if len(roots) != 1 || roots[0].PID != 3 {
		t.Errorf("roots %v, want process 3", roots)
	}
}

func TestAmbiguousErrorIsBounded(t *testing.T) {
	e := &AmbiguousError{Target: target(t, "name:x")}
	for pid := range 500 {
		e.Candidates = append(e.Candidates, Candidate{pid, "x"})
	}
	if s := e.Error(); len(s) > 500 || !strings.Contains(s, "490 more") {
		t.Errorf("%d bytes: %s", len(s), s)
	}
}

func TestFindPrefersWhatNoHookStarted(t *testing.T) {
	path := program(t, "/bin/sleep", "main-and-step")
	step := exec.Command(path, "60")
	step.Env = append(os.Environ(), "PODHOOK_RUN_ID=abc")
	startCmd(t, step)
	tg := target(t, "exe:%s", path)
	if p := find(t, tg); p.PID() != step.Process.Pid {
		t.Errorf("alone: found %d, want %d", p.PID(), step.Process.Pid)
	}
	cmd := start(t, path, "60")
	if p := find(t, tg); p.PID() != cmd.Process.Pid {
		t.Errorf("found %d, want %d and not the step's %d", p.PID(), cmd.Process.Pid, step.Process.Pid)
	}
}

// A server of the kind that this is for: nginx renames its processes' arguments.
func TestFindNginx(t *testing.T) {
	nginx := testutil.NeedProgram(t, "nginx", "nginx")
	if !inOwnNamespace(t) {
		return
	}
	dir := t.TempDir()
	conf := fmt.Sprintf("daemon off; worker_processes 2; pid %[1]s/nginx.pid; error_log %[1]s/error.log;\nevents {}\n", dir)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := start(t, nginx, "-p", dir, "-c", "nginx.conf")
	testutil.Eventually(t, "two workers and a pidfile", func() bool {
		all, err := procfs.Proc.Programs()
		if err != nil {
			t.Fatal(err)
		}
		workers := 0
		for _, s := range all {
			if s.PPID == cmd.Process.Pid && strings.HasPrefix(argv0(s.PID), "nginx: worker") {
				workers++
			}
		}
		text, _ := os.ReadFile(filepath.Join(dir, "nginx.pid"))
		return workers == 2 && len(text) > 0
	})
	var p *Process
	for _, tg := range []Target{
		target(t, "name:nginx"), target(t, "exe:%s", nginx), target(t, "pidfile:%s/nginx.pid", dir),
	} {
		if p = find(t, tg); p.PID() != cmd.Process.Pid {
			t.Errorf("%s: found %d, want the master %d", tg, p.PID(), cmd.Process.Pid)
		}
	}
	if gone, err := p.Signal(syscall.SIGQUIT); gone || err != nil {
		t.Fatalf("QUIT: %v, %v", gone, err)
	}
	if err := p.WaitExit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("nginx did not stop gracefully: %v", err)
	}
}
