package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// TestModel calls hooks by exec, over HTTP and by signals, and kills every process of
// podhook by SIGKILL, all at random, and checks what the steps have written against the
// contract (model_history_test.go). MODEL_TIME bounds it; MODEL_SEED
// begins with the seed of a round that failed.
func TestModel(t *testing.T) {
	testutil.Slow(t)
	budget, err := time.ParseDuration(os.Getenv("MODEL_TIME"))
	if err != nil {
		budget = 4 * time.Second
	}
	seed, err := strconv.ParseUint(os.Getenv("MODEL_SEED"), 10, 32)
	if err != nil {
		seed = uint64(time.Now().UnixNano()) % 1e9
	}
	for _, way := range []struct {
		name  string
		round func(*model)
	}{{"serve", (*model).serves}, {"run", (*model).lives}} {
		t.Run(way.name, func(t *testing.T) {
			for end, seed := time.Now().Add(budget/2), seed; ; seed++ {
				passed := t.Run(fmt.Sprint(seed), func(t *testing.T) { newModel(t, seed).try(way.round) })
				if !passed || time.Now().After(end) {
					break
				}
			}
		})
	}
}

// modelSteps are the steps of each hook.
func modelSteps() map[string][]string {
	return map[string][]string{
		"prestart": {"once-first", "second", "last"}, "shutdown": {"once-first", "last"},
		"own": {"once-first", "once-second", "last"}, forcedHook: {"once-first", "last"},
	}
}

// modelStep begins, works for a while with a descendant that has left its session,
// and ends, as the file behaviour says: seconds, exit code, and whether it has one.
const modelStep = `#!/bin/sh
say() { echo "$1 $PODHOOK_HOOK $PODHOOK_STEP $PODHOOK_RUN_ID $PODHOOK_ATTEMPT $2" >>"$DIR/history"; }
read seconds code child <"$DIR/behaviour"
say b
if [ "$child" = 1 ]; then
	setsid sh -c 'while :; do echo "a $PODHOOK_HOOK $PODHOOK_STEP $PODHOOK_RUN_ID $PODHOOK_ATTEMPT" >>"$DIR/history"; sleep 0.01; done' &
fi
sleep "$seconds"
if [ "$child" = 1 ]; then
	kill -KILL $!
	wait $! 2>/dev/null
fi
say e "$code"
exit "$code"
`

func modelConfig(s *sandbox) string {
	var b strings.Builder
	b.WriteString("hooks:\n")
	for _, name := range slices.Sorted(maps.Keys(modelSteps())) {
		fmt.Fprintf(&b, "  %s:\n    timeout: 10s\n", name)
		if name == "prestart" {
			fmt.Fprintf(&b, "    marker: %s\n", s.path("marker"))
		}
		b.WriteString("    steps:\n")
		for _, step := range modelSteps()[name] {
			fmt.Fprintf(&b, "    - {name: %s, exec: [%s], once: %v, timeout: 400ms, killAfter: 200ms, retries: 1, backoff: 5ms}\n", step, s.path("step"), isOnce(step))
		}
	}
	return b.String()
}

// model is one round. Its callers are told by processes and connections of their own.
type model struct {
	s       *sandbox
	random  *rand.Rand
	history *os.File
	callers sync.WaitGroup
	// command runs podhook where the hooks are.
	command func(args ...string) *exec.Cmd
	ended   func() bool // the instance's end, by itself
	agent   string      // its address
	began   int         // bytes of the log when the agent was started
}

func newModel(t *testing.T, seed uint64) *model {
	s := newSandbox(t, "", "PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_GRACE_PERIOD=15s")
	s.binary = plain
	s.configure(modelConfig(s))
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	s.write("step", modelStep, 0o755)
	history, err := os.OpenFile(s.path("history"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { history.Close() })
	m := &model{s: s, random: rand.New(rand.NewPCG(seed, 0)), history: history, command: s.command, ended: func() bool { return false }}
	m.behave(0.05, 1, true)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: MODEL_SEED=%d make model\nlog:\n%s\nhistory:\n%s", seed, s.read("log"), s.read("history"))
		}
	})
	return m
}

// try makes a round and judges it.
func (m *model) try(round func(*model)) {
	round(m)
	for _, v := range violations(strings.Split(strings.TrimSuffix(m.s.read("history"), "\n"), "\n"), modelSteps()) {
		m.s.t.Error(v)
	}
	if log := m.s.read("log"); strings.Contains(log, "panic: ") || strings.Contains(log, "fatal error: ") {
		m.s.t.Error("podhook has crashed")
	}
}

func (m *model) write(format string, args ...any) {
	if _, err := fmt.Fprintf(m.history, format+"\n", args...); err != nil {
		m.s.t.Error(err)
	}
}

func (m *model) behave(seconds float64, code int, child bool) {
	number := 0
	if child {
		number = 1
	}
	m.s.write("behaviour.tmp", fmt.Sprintf("%.3f %d %d\n", seconds, code, number), 0o644)
	if err := os.Rename(m.s.path("behaviour.tmp"), m.s.path("behaviour")); err != nil {
		m.s.t.Fatal(err)
	}
}
