package agent

import (
	"net/http"
)

// livez says that the agent answers. It never looks at hooks: a liveness probe
// on it must not restart a container because a hook failed.
func (a *Agent) livez(w http.ResponseWriter, _ *http.Request) {
	send(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
}

// readyz is 503 until prestart has succeeded and from the moment shutdown begins.
func (a *Agent) readyz(w http.ResponseWriter, _ *http.Request) {
	ready, why := a.ready()
	if !ready {
		send(w, http.StatusServiceUnavailable, "text/plain; charset=utf-8", []byte("not ready: "+cutBody(why)+"\n"))
		return
	}
	send(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ready\n"))
}
