package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// zombiesOf counts the dead children that a process has not reaped.
func zombiesOf(pid int) (dead int) {
	for _, child := range children(pid) {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child)); err == nil && strings.Contains(string(stat), ") Z ") {
			dead++
		}
	}
	return dead
}

// An application as PID 1 mostly does not reap, so an exec'd hook never leaves a zombie.
func TestExecsLeaveNoZombie(t *testing.T) {
	testutil.Slow(t)
	s := newSandbox(t, `hooks:
  prestart:
    steps:
    - exec: ['true']
    - {onFailure: ignore, exec: [sh, -c, '(exit 3) & exit 1']}
    - {onFailure: ignore, timeout: 50ms, killAfter: 50ms, exec: [sh, -c, '(setsid sleep 1001 &); sleep 1002']}
  sleeping: {steps: [{sleep: 1ms}]}
  failing: {steps: [{exec: ['false']}]}
  nosuch: {steps: [{exec: [/no/such/program]}]}
`)
	s.binary = plain
	c := s.container(nil, "sleep", "1000") // it has no handler for SIGCHLD, and never waits
	for range 6 {
		for args, code := range map[string]int{"prestart --force": 0, "prestart": 0, "hook sleeping --force": 0, "hook failing": 1, "hook nosuch": 1} {
			if e := c.exec(strings.Fields(args)...); e.code != code {
				t.Fatalf("%s: %v", args, e)
			}
		}
	}
	if n := zombiesOf(c.pid); n > 0 {
		t.Errorf("30 calls have left %d zombies", n)
	}
}
