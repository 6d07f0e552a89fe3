package main

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// leaving is a hook whose second step leaves processes when podhook is killed. Only their
// environment marks them. The first step prints which of them are alive.
const leaving = `hooks:
  prestart:
    timeout: 60s
    steps:
    - name: daemon
      exec: [sh, -c, 'for p in $(cat "$DIR/pids" 2>/dev/null); do grep -q ") [^Z]" /proc/$p/stat 2>/dev/null && echo overlap >>"$DIR/ran"; done; setsid sleep 1001 >/dev/null 2>&1 &']
    - name: work
      exec: [sh, -c, '[ -e "$DIR/pids" ] || { sleep 1002 & (setsid sh -c "trap \"\" TERM; echo \$\$ >>$DIR/pids; sleep 1003; sleep 1003" &) ; echo $! >>"$DIR/pids"; }; echo began >>"$DIR/ran"; until [ -e "$DIR/go" ]; do sleep 0.02; done']
`

// The next run of a hook begins with the end of the processes of a run whose podhook was
// killed, by exec and by HTTP. Background processes of a successful step live on.
func TestNextRunEndsWhatADeadOneHasLeft(t *testing.T) {
	testutil.Slow(t)
	for name, way := range map[string]func(s *sandbox) (kill func()){
		"exec": func(s *sandbox) func() {
			call := s.start("prestart")
			s.began(1)
			worker := ownWorker(s.t, call)
			return func() {
				call.signal(s.t, syscall.SIGKILL)
				worker()
			}
		},
		"serve": func(s *sandbox) func() {
			address := s.serve()
			go func() { _, _ = get(address, "/prestart") }()
			return s.killer("serve")
		},
		"run": func(s *sandbox) func() {
			s.begin(exec.Command(s.binary, "run", "--", "true"))
			return s.killer("run -- true")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, leaving, "PODHOOK_LISTEN=127.0.0.1:0")
			kill := way(s)
			s.began(1)
			both := func() bool { return s.count("sleep 1002") == 1 && s.count("sleep 1003") == 1 }
			testutil.Eventually(t, "both processes are there", both)
			kill()
			testutil.Eventually(t, "the run is interrupted", func() bool { return s.record("prestart").Outcome == state.Interrupted })
			if !both() {
				t.Fatalf("the dead run has left %q", commandLines(s.alive()))
			}
			way(s)
			s.began(2)
			if got := s.read("ran"); got != "began\nbegan\n" || s.count("sleep 1002")+s.count("sleep 1003") != 0 {
				t.Errorf("ran %q beside %q", got, commandLines(s.alive()))
			}
			testutil.Eventually(t, "both daemons live", func() bool { return s.count("sleep 1001") == 2 })
			contains(t, s.expect(0, "logs", "prestart").stdout, "was killed and has left ", "processes, which were ended")
			s.open()
		})
	}
}

// killer returns a function that kills the podhook with this command line.
func (s *sandbox) killer(args string) (kill func()) {
	return func() {
		s.t.Helper()
		for _, pid := range s.alive() {
			if strings.HasSuffix(commandLine(pid), s.binary+" "+args) {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					s.t.Fatal(err)
				}
			}
		}
	}
}
