package upstream

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const hooks = `
hooks:
  prestart:
    steps:
    - exec: [sh, -c, 'sleep 0.5; echo run >>$DIR/prestart']
  shutdown:
    paths: [/api/shutdown]
    steps:
    - exec: [sh, -c, 'echo run >>$DIR/shutdown']
  broken:
    steps:
    - exec: [sh, -c, 'echo run >>$DIR/broken; exit 3']
  hangs:
    timeout: 500ms
    steps:
    - exec: [sleep, "300"]
  loud:
    steps:
    - exec: [sh, -c, 'yes a line of output | head -c 200000']
`

const token = "a-token-of-the-tests"

// kubelet waits for the end of the hook, and takes its success for success.
func TestSucceeds(t *testing.T) {
	a := serve(t, hooks)
	for path, file := range map[string]string{"/prestart": "prestart", "/api/shutdown?drain=1": "shutdown", "/hooks/shutdown": "shutdown"} {
		c := a.kubelet(corev1.HTTPGetAction{Path: path})
		if c.err != nil || !slices.Equal(c.statuses(), []int{200}) || a.ran(file) != 1 {
			t.Errorf("%s: %v, answers %v, the step has run %d times", path, c.err, c.statuses(), a.ran(file))
		}
		if file == "prestart" && c.took < 500*time.Millisecond {
			t.Errorf("%s was answered after %v, before its end", path, c.took)
		}
	}
}

// kubelet ignores a status, so that podhook closes the connection: a hook that failed or
// timed out, and a path that does not exist.
func TestFails(t *testing.T) {
	a := serve(t, hooks)
	for _, path := range []string{"/hooks/broken", "/hooks/hangs", "/hooks/none", "/shutdwon", "/"} {
		c := a.kubelet(corev1.HTTPGetAction{Path: path})
		if c.err == nil || !slices.Equal(c.statuses(), []int{0}) {
			t.Errorf("%s: %v, answers %v", path, c.err, c.statuses())
		}
		if path == "/hooks/hangs" && c.took < 500*time.Millisecond {
			t.Errorf("%s ended after %v, before its timeout", path, c.took)
		}
	}
	if a.ran("broken") != 1 {
		t.Errorf("broken has run %d times: kubelet does not repeat a call", a.ran("broken"))
	}
}

// With PODHOOK_KUBELET_FAILURE=status kubelet takes the 500 of a failed hook for success.
func TestStatusIsIgnored(t *testing.T) {
	c := serve(t, hooks, "PODHOOK_KUBELET_FAILURE=status").kubelet(corev1.HTTPGetAction{Path: "/hooks/broken"})
	if c.err != nil || !slices.Equal(c.statuses(), []int{500}) {
		t.Errorf("%v, answers %v", c.err, c.statuses())
	}
}

func TestNobodyListens(t *testing.T) {
	a := &agent{t: t, port: free(t)}
	if c := a.kubelet(corev1.HTTPGetAction{Path: "/shutdown"}); c.err == nil || !strings.Contains(c.err.Error(), "refused") {
		t.Errorf("kubelet reports %v", c.err)
	}
}

// kubelet reads at most 10 KiB of an answer, and nothing of one that says that it is longer.
func TestAnswersAreShort(t *testing.T) {
	c := serve(t, hooks).kubelet(corev1.HTTPGetAction{Path: "/hooks/loud"})
	if c.err != nil || len(c.sent) != 1 {
		t.Fatalf("%v, answers %v", c.err, c.statuses())
	}
	if r := c.sent[0].response; r.ContentLength <= 0 || r.ContentLength > 10<<10 || len(r.TransferEncoding) > 0 {
		t.Errorf("the answer has the length %d, and is sent as %q", r.ContentLength, r.TransferEncoding)
	}
}

// kubelet follows redirects, and takes one to another host for success: podhook sends none,
// whatever the path.
func TestNoRedirects(t *testing.T) {
	a := serve(t, hooks)
	for path, answer := range map[string]int{
		"/shutdown/": 0, "/./shutdown": 0, "/x/../shutdown": 0, "/SHUTDOWN": 0, "/shut%64own": 0, "/shutdown//": 0,
		// kubelet reads these as a URL, and takes the path of it.
		"//example.com/shutdown": 200, "shutdown": 200,
	} {
		c := a.kubelet(corev1.HTTPGetAction{Path: path})
		if !slices.Equal(c.statuses(), []int{answer}) || (c.err == nil) != (answer == 200) {
			t.Errorf("%s: %v, answers %v", path, c.err, c.statuses())
		}
	}
}

// A kubelet that was restarted calls again: the second call joins the run.
func TestCalledTwice(t *testing.T) {
	a := serve(t, hooks)
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			if c := a.kubelet(corev1.HTTPGetAction{Path: "/prestart"}); c.err != nil {
				t.Errorf("%v, answers %v", c.err, c.statuses())
			}
		})
	}
	calls.Wait()
	if a.ran("prestart") != 1 {
		t.Errorf("prestart has run %d times", a.ran("prestart"))
	}
}

// What is refused is answered, which kubelet takes for success: the log says so.
func TestRefused(t *testing.T) {
	a := serve(t, hooks, "PODHOOK_TOKEN="+token)
	c := a.kubelet(corev1.HTTPGetAction{Path: "/shutdown"})
	if c.err != nil || !slices.Equal(c.statuses(), []int{401}) || a.ran("shutdown") != 0 {
		t.Errorf("without a token: %v, answers %v, shutdown has run %d times", c.err, c.statuses(), a.ran("shutdown"))
	}
	a.eventually("a warning", func() bool { return strings.Contains(a.log.String(), "reason=no_credential") })
	for _, header := range []corev1.HTTPHeader{{Name: "Authorization", Value: "Bearer " + token}, {Name: "X-Podhook-Token", Value: token}} {
		a := serve(t, hooks, "PODHOOK_TOKEN="+token)
		c := a.kubelet(corev1.HTTPGetAction{Path: "/shutdown", HTTPHeaders: []corev1.HTTPHeader{header}})
		if c.err != nil || a.ran("shutdown") != 1 {
			t.Errorf("with %s: %v, answers %v, shutdown has run %d times", header.Name, c.err, c.statuses(), a.ran("shutdown"))
		}
	}

	a = serve(t, hooks, "PODHOOK_ALLOW_FROM=10.1.2.3")
	c = a.kubelet(corev1.HTTPGetAction{Path: "/shutdown"})
	if c.err != nil || !slices.Equal(c.statuses(), []int{403}) || a.ran("shutdown") != 0 {
		t.Errorf("from another network: %v, answers %v, shutdown has run %d times", c.err, c.statuses(), a.ran("shutdown"))
	}
	a.eventually("a warning", func() bool { return strings.Contains(a.log.String(), `level=WARN msg="request refused`) })
}
