package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// act does one thing at random.
func (m *model) act() {
	hooks := []string{"prestart", "shutdown", "own", "own", forcedHook, forcedHook}
	hook := hooks[m.random.IntN(len(hooks))]
	switch n := m.random.IntN(20); {
	case n < 5:
		m.exec(hook)
	case n < 9:
		m.get(hook, time.Duration(1+m.random.IntN(300))*time.Millisecond)
	case n < 12:
		m.kill(syscall.SIGKILL)
	case n < 13:
		m.kill(syscall.SIGTERM)
	case n < 16:
		m.behave(0.05*m.random.ExpFloat64(), []int{0, 0, 1, 3}[m.random.IntN(4)], m.random.IntN(3) > 0)
	case n < 17:
		m.readMarker()
	default:
		time.Sleep(time.Duration(m.random.IntN(60)) * time.Millisecond)
	}
}

var toldRun = regexp.MustCompile(`^podhook: hook (\S+) succeeded.*\(run ([0-9a-f]+),`)

// exec calls a hook as kubelet's exec does.
func (m *model) exec(hook string) {
	args := []string{"hook", hook}
	forced := hook == forcedHook && m.random.IntN(2) == 0
	if forced {
		args = append(args, "--force")
	}
	call := m.s.begin(m.command(args...))
	m.callers.Go(func() {
		<-call.done
		code, stdout, stderr := call.cmd.ProcessState.ExitCode(), call.stdout.String(), call.stderr.String()
		if strings.Contains(stderr, "panic: ") || strings.Contains(stderr, "fatal error: ") || code == 0 && toldRun.FindString(stdout) == "" {
			m.s.t.Errorf("podhook %s ends with code %d and says %s%s", strings.Join(args, " "), code, stdout, stderr)
		} else if code == 0 {
			m.write("ok %s %s", hook, toldRun.FindStringSubmatch(stdout)[2])
		}
		if forced && strings.Contains(stdout, "already") {
			m.s.t.Errorf("a forced call is told %s", stdout)
		}
	})
}

// get calls a hook over HTTP and may go away before it has ended.
func (m *model) get(hook string, patience time.Duration) {
	url := "http://" + m.agent + "/hooks/" + hook
	if m.random.IntN(4) == 0 {
		url += "?wait=false"
	}
	m.callers.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testutil.Patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			m.s.t.Error(err)
			return
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			return // the agent was killed, or we have gone
		}
		defer res.Body.Close()
		var told struct{ Run, Outcome string }
		if err := json.NewDecoder(res.Body).Decode(&told); err == nil && res.StatusCode == 200 {
			m.write("ok %s %s", hook, told.Run)
		}
	})
}

// kill sends a signal to one of podhook's processes, but for PID 1.
func (m *model) kill(sig syscall.Signal) {
	var all []int
	which := m.random.IntN(1000) // whatever lives, what comes next is the seed's
	for _, pid := range m.s.alive() {
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		first := strings.HasPrefix(commandLine(pid), m.s.binary+" run ")
		if exe == m.s.binary && !first {
			all = append(all, pid)
		}
	}
	if slices.Sort(all); len(all) > 0 {
		_ = syscall.Kill(all[which%len(all)], sig) // it may have ended
	}
}

func (m *model) readMarker() {
	if words := strings.Fields(m.s.read("marker")); len(words) > 1 {
		m.write("marker %s %s", words[0], words[1])
	}
}
