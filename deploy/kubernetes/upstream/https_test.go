package upstream

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func https(path string, headers ...corev1.HTTPHeader) corev1.HTTPGetAction {
	return corev1.HTTPGetAction{Path: path, Scheme: corev1.URISchemeHTTPS, HTTPHeaders: headers}
}

// kubelet verifies no certificate.
func TestSelfSigned(t *testing.T) {
	a := serve(t, hooks, "PODHOOK_TLS=self-signed")
	c := a.kubelet(https("/shutdown"))
	if c.err != nil || !slices.Equal(c.statuses(), []int{200}) || a.ran("shutdown") != 1 {
		t.Errorf("%v, answers %v, shutdown has run %d times", c.err, c.statuses(), a.ran("shutdown"))
	} else if r := c.sent[0].response; r.TLS == nil || r.ProtoMajor != 1 {
		t.Errorf("it is answered by %s, TLS %v", r.Proto, r.TLS != nil)
	}
	if c := a.kubelet(https("/hooks/broken")); c.err == nil {
		t.Errorf("a failed hook: kubelet takes the answers %v for success", c.statuses())
	}
}

// An answer to plain HTTP, as Go's server sends it, would be a success for kubelet.
func TestPlainCallOfTLS(t *testing.T) {
	a := serve(t, hooks, "PODHOOK_TLS=self-signed")
	c := a.kubelet(corev1.HTTPGetAction{Path: "/shutdown"})
	if c.err == nil || !slices.Equal(c.statuses(), []int{0}) || a.ran("shutdown") != 0 {
		t.Errorf("%v, answers %v, shutdown has run %d times", c.err, c.statuses(), a.ran("shutdown"))
	}
}

// kubelet falls back to HTTP where nobody speaks TLS, and leaves Authorization out.
func TestFallback(t *testing.T) {
	a := serve(t, hooks)
	c := a.kubelet(https("/shutdown"))
	if c.err != nil || !slices.Equal(c.statuses(), []int{0, 200}) || a.ran("shutdown") != 1 || !contains(c.events, "LifecycleHTTPFallback") {
		t.Errorf("%v, answers %v, events %q, shutdown has run %d times", c.err, c.statuses(), c.events, a.ran("shutdown"))
	}
	if c := a.kubelet(https("/hooks/broken")); c.err == nil || a.ran("broken") != 1 {
		t.Errorf("a failed hook: %v, answers %v, broken has run %d times", c.err, c.statuses(), a.ran("broken"))
	}

	for _, row := range []struct {
		header  string
		value   string
		answers []int
		ran     int
	}{
		{"Authorization", "Bearer " + token, []int{0, 401}, 0},
		{"X-Podhook-Token", token, []int{0, 200}, 1},
	} {
		a := serve(t, hooks, "PODHOOK_TOKEN="+token)
		c := a.kubelet(https("/shutdown", corev1.HTTPHeader{Name: row.header, Value: row.value}))
		if c.err != nil || !slices.Equal(c.statuses(), row.answers) || a.ran("shutdown") != row.ran {
			t.Errorf("%s: %v, answers %v, shutdown has run %d times", row.header, c.err, c.statuses(), a.ran("shutdown"))
		}
	}
}
