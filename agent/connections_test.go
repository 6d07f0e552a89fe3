package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/internal/testutil"
)

// waits has a hook that waits for the file go.
const waits = `{hooks: {shutdown: {steps: [{exec: [sh, -c, 'echo run >>$DIR/runs; until [ -e $DIR/go ]; do sleep 0.02; done; echo done >>$DIR/done']}]}}}`

// impatient is serving with timeouts that a test can wait for.
func impatient(t *testing.T, yaml string) *world {
	w := newWorld(t, yaml)
	server := w.agent.server(w.agent.Handler())
	if server.ReadHeaderTimeout != 5*time.Second || server.ReadTimeout != 10*time.Second || server.IdleTimeout != time.Minute {
		t.Errorf("the timeouts are %v, %v, %v", server.ReadHeaderTimeout, server.ReadTimeout, server.IdleTimeout)
	}
	server.ReadHeaderTimeout, server.ReadTimeout, server.IdleTimeout = 300*time.Millisecond, 600*time.Millisecond, time.Second
	w.listen(server)
	return w
}

// dial opens a raw connection that fails the test instead of hanging.
func (w *world) dial() net.Conn {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	return conn
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// status reads an answer and returns its status, 0 where the connection is
// closed without one.
func status(t *testing.T, conn net.Conn) int {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("neither answered nor closed")
	}
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Errorf("the body of the %d: %v", resp.StatusCode, err)
	}
	return resp.StatusCode
}

func TestCallerThatGoesAwayDoesNotStopTheRun(t *testing.T) {
	w := serving(t, waits)
	conn := w.dial()
	say(t, conn, "GET /shutdown HTTP/1.1\r\nHost: a\r\nUser-Agent: "+kubelet+"\r\n\r\n")
	testutil.Eventually(t, "the hook runs", func() bool { return len(w.lines("runs")) == 1 })
	conn.Close()
	testutil.Eventually(t, "the agent has seen that the caller is gone", func() bool { return waiters() == 0 })
	w.write(w.dir+"/go", "")
	if a := w.get("/shutdown").run(t); a.Outcome != "succeeded" {
		t.Errorf("the next caller is answered %+v", a)
	}
	if len(w.lines("runs")) != 1 || len(w.lines("done")) != 1 {
		t.Errorf("begun %d times, done %d times", len(w.lines("runs")), len(w.lines("done")))
	}
}

// net/http answers 200 for a handler that returns. A caller that has closed its
// half of the connection would take that for the hook's success.
func TestCallerWithHalfAConnectionIsNotToldASuccess(t *testing.T) {
	w := serving(t, waits)
	conn := w.dial()
	say(t, conn, "GET /shutdown HTTP/1.1\r\nHost: a\r\n\r\n")
	testutil.Eventually(t, "the hook runs", func() bool { return len(w.lines("runs")) == 1 })
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := status(t, conn); got != 0 {
		t.Errorf("answered %d while the hook runs", got)
	}
	w.write(w.dir+"/go", "")
}

// The read timeout of the request must not end the waiting for its run.
func TestHookMayTakeLongerThanTheReadTimeout(t *testing.T) {
	testutil.Slow(t)
	w := impatient(t, `{hooks: {shutdown: {steps: [{sleep: 1500ms}]}, other: {steps: [{sleep: 1500ms}]}}}`)
	for path, body := range map[string]string{"/shutdown": "", "/hooks/other": "hello"} {
		conn := w.dial()
		began := time.Now()
		say(t, conn, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body))
		if got := status(t, conn); got != 200 {
			t.Errorf("%s is answered %d", path, got)
		}
		testutil.Within(t, time.Since(began), 1500*time.Millisecond, 10*time.Second)
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	testutil.Slow(t)
	w := impatient(t, `{hooks: {shutdown: {steps: [{sleep: 700ms}]}}}`)
	conn := w.dial()
	for _, path := range []string{"/shutdown", "/livez", "/shutdown", "/nothing", "/metrics"} {
		say(t, conn, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := status(t, conn); got == 0 {
			t.Fatalf("the connection is closed at %s", path)
		}
	}
	began := time.Now()
	if got := status(t, conn); got != 0 { // nothing is sent: the idle timeout
		t.Errorf("answered %d to nothing", got)
	}
	testutil.Within(t, time.Since(began), 500*time.Millisecond, 10*time.Second)
}

func TestSlowHeaderIsCutOff(t *testing.T) {
	w := impatient(t, waits)
	for _, begin := range []string{"", "GET /shutdown HTTP/1.1\r\nHost: a\r\nX-Slow: "} {
		conn := w.dial()
		began := time.Now()
		say(t, conn, begin)
		dripped := make(chan int)
		go func() {
			n := 0
			for ; n < 400; n++ {
				if _, err := io.WriteString(conn, "x"); begin == "" || err != nil {
					break
				}
				time.Sleep(25 * time.Millisecond)
			}
			dripped <- n
		}()
		if got := status(t, conn); got == 200 {
			t.Errorf("a header that never ends is answered %d", got)
		}
		testutil.Within(t, time.Since(began), 250*time.Millisecond, 8*time.Second)
		conn.Close()
		<-dripped
	}
	if len(w.lines("runs")) != 0 {
		t.Error("the hook was run")
	}
}

func TestSlowBodyIsCutOff(t *testing.T) {
	w := impatient(t, waits)
	conn := w.dial()
	began := time.Now()
	say(t, conn, "POST /shutdown HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
	if got := status(t, conn); got != 408 {
		t.Errorf("a body that never ends is answered %d, want 408", got)
	}
	testutil.Within(t, time.Since(began), 500*time.Millisecond, 8*time.Second)
	if len(w.lines("runs")) != 0 {
		t.Error("the hook was run")
	}
}

func TestLargeHeaderIsRefused(t *testing.T) {
	w := serving(t, waits)
	conn := w.dial()
	say(t, conn, "GET /shutdown HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	if got := status(t, conn); got != 431 {
		t.Errorf("a header of 64 KiB is answered %d, want 431", got)
	}
}

func TestLargeBodyIsRefused(t *testing.T) {
	w := serving(t, `{hooks: {shutdown: {steps: [{exec: [sh, -c, 'echo run >>$DIR/runs']}]}}}`)
	for name, request := range map[string]string{
		"length":  fmt.Sprintf("POST /shutdown HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", 1<<20, strings.Repeat("x", 1<<20)),
		"chunked": fmt.Sprintf("POST /shutdown HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", 1<<20, strings.Repeat("x", 1<<20)),
	} {
		conn := w.dial()
		go func() { _, _ = io.WriteString(conn, request) }() // it is cut off at some point
		if got := status(t, conn); got != 413 {
			t.Errorf("%s: a body of 1 MiB is answered %d, want 413", name, got)
		}
	}
	if len(w.lines("runs")) != 0 {
		t.Error("the hook was run")
	}
	conn := w.dial()
	say(t, conn, fmt.Sprintf("POST /shutdown HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", bodyLimit, strings.Repeat("x", bodyLimit)))
	if got := status(t, conn); got != 200 {
		t.Errorf("a body of 64 KiB is answered %d, want 200", got)
	}
}

func TestSlotsComeBackFromBrokenConnections(t *testing.T) {
	w := serving(t, outcomes, set(func(s *settings.Settings) { s.MaxConnections = 2 }))
	for range 10 {
		conn := w.dial()
		say(t, conn, "nonsense\r\n\r\n")
		if got := status(t, conn); got != 400 {
			t.Errorf("nonsense is answered %d", got)
		}
		if _, err := w.do("GET", "/hooks/broken", kubelet); err == nil {
			t.Error("kubelet is answered")
		}
		w.dial().Close()
	}
	w.is("/livez", 200)
}
