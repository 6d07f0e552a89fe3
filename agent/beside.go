package agent

import (
	"errors"
	"net"
	"net/http"
)

// Beside is an agent that answers beside a main process. Nothing of it may end
// the process that it lives in.
type Beside struct {
	agent  *Agent
	server *http.Server
	failed chan error
}

// Start answers on the listener until Leave. A listener that fails is logged and
// nothing more: the main process goes on.
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

// Leave answers the calls that are there and closes the listener.
func (b *Beside) Leave() { _ = b.agent.leave(b.server, b.failed) }
