package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/internal/testutil"
)

// TestWaitForAProgram waits for its exit code, and ends it and its children with itself.
func TestWaitForAProgram(t *testing.T) {
	s := newSandbox(t, "")
	s.env = append(s.env, "PODHOOK_TOKEN=sixteen characters")
	ask := "echo \"not yet, token <$PODHOOK_TOKEN>\"; test -e " + s.path("go")
	e := s.expect(124, "wait", "--timeout", "300ms", "--exec", "--", "sh", "-c", ask)
	testutil.Within(t, e.elapsed, 300*time.Millisecond, 10*time.Second)
	contains(t, e.stderr, "waited 300ms for exec sh: exit code 1: not yet, token <>")
	waiter := s.start("wait", "--timeout", "35s", "--exec", "--", "sh", "-c", ask)
	s.open()
	if e := waiter.wait(t); e.code != 0 {
		t.Error(e)
	}
	contains(t, s.expect(1, "wait", "--exec", "--give-up", "2", "--give-up", "66", "--", "sh", "-c", "exit 66").stderr,
		"wait for exec sh: exit code 66, which is in giveUp")
	testutil.Within(t, s.expect(0, "wait", "--holds", "600ms", "--exec", "--", "true").elapsed, 600*time.Millisecond, 10*time.Second)

	pids := s.path("pids")
	call := s.deaf("wait", "--timeout", "35s", "--exec", "--", "sh", "-c", "(setsid sh -c 'echo $$ >>"+pids+"; exec sleep 985') & echo $$ >>"+pids+"; sleep 985")
	testutil.Eventually(t, "both run", func() bool { text, _ := os.ReadFile(pids); return strings.Count(string(text), "\n") == 2 })
	call.signal(t, syscall.SIGTERM)
	if e := call.wait(t); e.code != 143 || e.elapsed > 20*time.Second {
		t.Errorf("%v, want code 143", e)
	}
	text, _ := os.ReadFile(pids)
	for word := range strings.FieldsSeq(string(text)) {
		pid, _ := strconv.Atoi(word)
		if st, err := procfs.Proc.Stat(pid); err == nil && !st.Exited() {
			t.Errorf("process %d lives: %+v", pid, st)
		}
	}
}

// TestWaitForABody: flags have the meaning of the fields of YAML.
func TestWaitForABody(t *testing.T) {
	s := newSandbox(t, "")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			w.WriteHeader(410)
		}
		_, _ = w.Write([]byte("state: ready\n"))
	}))
	defer server.Close()
	s.expect(0, "wait", "--http", server.URL, "--body", "state: r.*y")
	contains(t, s.expect(124, "wait", "--http", server.URL, "--body", "steady", "--timeout", "200ms").stderr, "the body does not match")
	contains(t, s.expect(1, "wait", "--http", server.URL+"/gone", "--give-up", "4xx").stderr, "status 410 Gone, which is in giveUp")
	for args, want := range map[string]string{
		"--file a --body b":       "--body needs --http URL",
		"--file a --give-up 1":    "--give-up needs --http URL or --exec",
		"--exec --give-up 0 -- a": `--give-up: "0": an exit code from 1 to 255`,
		"--http URL --give-up 1":  `--give-up: "1": allowed is an HTTP status`,
		"--http URL --body (":     "missing closing )",
		"--exit main --holds 1s":  "--holds means nothing with --exit",
		"--file a --holds -1s":    "a duration of at least 0s",
		"--exec":                  "--exec -- PROGRAM",
		"--exec --file a -- true": "one of HOOK, --file",
	} {
		contains(t, s.expect(2, append([]string{"wait"}, strings.Fields(strings.ReplaceAll(args, "URL", server.URL))...)...).stderr, want)
	}
}
