package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/podhook/podhook/internal/testutil"
)

// serves is podhook serve, which is started again whenever it has ended: within one
// instance.
func (m *model) serves() {
	var agent *running
	start := func() {
		agent = m.logged(m.s.command("serve"))
		m.listens(agent)
	}
	start()
	for range 40 + m.random.IntN(40) {
		if agent.over() {
			start()
		}
		m.act()
		if m.random.IntN(100) == 0 {
			_ = agent.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
			<-agent.done
		}
	}
	m.callers.Wait()
	m.settle()
	_ = agent.cmd.Process.Kill()
	<-agent.done
}

// lives is podhook run as PID 1, whose end ends the instance.
func (m *model) lives() {
	needsRoot(m.s.t)
	for range 1 + m.random.IntN(3) {
		m.write("i")
		flag := []string{"--prestart=gate", "--prestart=background", "--prestart=off"}[m.random.IntN(3)]
		l := m.s.liveWith([]string{flag}, "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05 & wait; done")
		m.command, m.ended = l.inside(), l.run.over
		m.listens(l.run)
		for range 20 + m.random.IntN(60) {
			m.act()
			if m.random.IntN(60) == 0 {
				break
			}
		}
		switch m.random.IntN(3) {
		case 0:
			_ = syscall.Kill(l.pid, syscall.SIGKILL) // it may have ended: its prestart has failed
		case 1:
			_ = syscall.Kill(l.pid, syscall.SIGTERM)
		default:
			m.callers.Wait()
			m.settle()
			_ = syscall.Kill(l.pid, syscall.SIGTERM)
		}
		if e := l.run.wait(m.s.t); e.code == 2 {
			m.s.t.Errorf("podhook run has crashed: %v", e)
		}
		m.callers.Wait()
	}
}

// inside runs podhook in the container's namespaces, which are kept: its PID may be
// another process's by then.
func (l life) inside() func(args ...string) *exec.Cmd {
	var namespaces []*os.File
	for _, name := range []string{"pid", "mnt"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", l.pid, name))
		if err != nil {
			l.s.t.Fatal(err)
		}
		l.s.t.Cleanup(func() { f.Close() })
		namespaces = append(namespaces, f)
	}
	return func(args ...string) *exec.Cmd {
		cmd := exec.Command("nsenter", append([]string{"--pid=/proc/self/fd/3", "--mount=/proc/self/fd/4", "--", l.s.binary}, args...)...)
		cmd.ExtraFiles = namespaces
		return cmd
	}
}

// logged starts podhook with its output in the log.
func (m *model) logged(cmd *exec.Cmd) *running {
	log, err := os.OpenFile(m.s.path("log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		m.s.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	return m.s.begin(cmd)
}

// listens waits until the agent listens or has ended.
func (m *model) listens(agent *running) {
	testutil.Eventually(m.s.t, "the agent listens", func() bool {
		if agent.over() {
			return true
		}
		log := m.s.read("log")
		found := listens.FindStringSubmatch(log[m.began:])
		if found == nil {
			return false
		}
		m.agent, m.began = found[1], len(log)
		return true
	})
}

// settle calls every hook until it succeeds, without kills, and then looks for what its
// runs have left.
func (m *model) settle() {
	m.behave(0.01, 0, false)
	for _, hook := range slices.Sorted(maps.Keys(modelSteps())) {
		testutil.Eventually(m.s.t, hook+" succeeds when nothing disturbs it", func() bool {
			return m.ended() || m.s.begin(m.command("hook", hook)).wait(m.s.t).code == 0
		})
	}
	testutil.Eventually(m.s.t, "nothing is left of any run", func() bool {
		return !slices.ContainsFunc(m.s.alive(), func(pid int) bool {
			environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			return strings.Contains(string(environ), "\x00PODHOOK_RUN_ID=")
		})
	})
}
