package agent

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Answers agrees with the handlers of both addresses. DELETE is refused at each path that
// there is, and runs nothing.
func TestAnswersIsWhatHandlersDo(t *testing.T) {
	w := newWorld(t, "hooks: {reload: {steps: []}, shutdown: {paths: [/api/shutdown], steps: []}}")
	cfg, err := w.agent.Configuration.Get()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/", "/prestart", "/shutdown", "/hooks/reload", "/hooks/shutdown", "/hooks", "/api/shutdown", "/api/shutdown/",
		"/readyz", "/livez", "/healthz", "/status", "/metrics", "/preStop", "/shutdown/",
	} {
		for _, acts := range []bool{true, false} {
			handler := w.agent.MetricsHandler()
			if acts {
				handler = w.agent.Handler()
			}
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest("DELETE", path, nil))
			if is := answer.Code == http.StatusMethodNotAllowed; is != Answers(path, cfg, acts) {
				t.Errorf("%s, acts %v: status %d, and Answers says %v", path, acts, answer.Code, !is)
			}
		}
	}
	// The handler looks the name up only for a method that it takes.
	answer := httptest.NewRecorder()
	w.agent.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/hooks/none", nil))
	if answer.Code != http.StatusNotFound || Answers("/hooks/none", cfg, true) {
		t.Errorf("/hooks/none: status %d", answer.Code)
	}
}
