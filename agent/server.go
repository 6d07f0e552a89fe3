package agent

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/podhook/podhook/agent/access"
	"github.com/podhook/podhook/agent/door"
	"github.com/podhook/podhook/agent/show"
)

// The limits of the server. There is no write timeout, because an answer waits for the
// end of its run; send bounds the answer itself.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second // of a whole request
	idleTimeout       = 60 * time.Second
	// headerLimit is what net/http adds 4 KiB to.
	headerLimit = 1
	bodyLimit   = 64 << 10
)

// servers answer at the doors of an agent.
type servers struct {
	all   []*http.Server
	ended chan error // of each server, its end
}

// serve answers at the doors until leave. failed is called with the error of a listener,
// also at the same time.
func (a *Agent) serve(d Doors, failed func(error)) *servers {
	a.announce(d)
	s := &servers{ended: make(chan error, 2)}
	start := func(listener net.Listener, handler http.Handler) {
		if listener == nil {
			return
		}
		server := a.server(handler)
		s.all = append(s.all, server)
		go func() {
			err := server.Serve(listener)
			if !errors.Is(err, http.ErrServerClosed) {
				failed(err)
			}
			s.ended <- err
		}()
	}
	start(d.Main, a.Handler())
	start(d.Metrics, a.MetricsHandler())
	return s
}

// leave answers the calls that wait and closes the listeners.
func (s *servers) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	for _, server := range s.all {
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close()
		}
	}
	for range s.all {
		<-s.ended
	}
}

func (a *Agent) server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerLimit,
		ErrorLog:          log.New(serverErrors{a.Logger, &show.Rare{}}, "", 0),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return door.WithConn(access.WithPeer(ctx, conn), conn)
		},
	}
}

// serverErrors logs what net/http says about connections. Any caller can cause it.
type serverErrors struct {
	logger *slog.Logger
	rare   *show.Rare
}

// Write is the method of io.Writer. It gets one message.
func (e serverErrors) Write(text []byte) (int, error) {
	e.rare.Log(e.logger, slog.LevelWarn, "connection failed", "error", strings.TrimSpace(string(text)))
	return len(text), nil
}

// discardBody reads and drops the body of a call, and answers for one that is too large
// or too slow. net/http notices only after the body that a caller leaves.
func discardBody(w http.ResponseWriter, req *http.Request) (ok bool) {
	_, err := io.Copy(io.Discard, http.MaxBytesReader(w, req.Body, bodyLimit))
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &large):
		answer(w, http.StatusRequestEntityTooLarge, problem{"a body is not needed, and at most 64 KiB are taken"})
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		answer(w, http.StatusRequestTimeout, problem{"the body did not come in time"})
	default:
		w.Header().Set("Connection", "close")
		answer(w, http.StatusBadRequest, problem{"the body cannot be read"})
	}
	return false
}
