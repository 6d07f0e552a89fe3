package agent

import (
	"errors"
	"net"
	"net/http"
)

// Beside is an agent alongside CMD, in the process of podhook run.
type Beside struct {
	agent  *Agent
	server *http.Server
	failed chan error
}

// Start answers on the listener until Leave. A failure of the listener is only logged,
// because CMD goes on.
func (a *Agent) Start(listener net.Listener) *Beside {
	b := &Beside{agent: a, server: a.server(), failed: make(chan error, 1)}
	go func() {
		err := b.server.Serve(listener)
		if !errors.Is(err, http.ErrServerClosed) {
			a.Logger.Error("the agent does not listen any more", "error", err.Error())
		}
		b.failed <- err
	}()
	return b
}

// Leave answers the calls that wait and closes the listener.
func (b *Beside) Leave() { _ = b.agent.leave(b.server, b.failed) }
