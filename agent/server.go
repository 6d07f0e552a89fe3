package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// The limits of the listener. There is no write timeout, because an answer comes
// when its run has ended; send sets one for the answer itself.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second // of a whole request
	idleTimeout       = 60 * time.Second
	headerLimit       = 16 << 10
	bodyLimit         = 64 << 10
)

func (a *Agent) server() *http.Server {
	return &http.Server{
		Handler:           a.Handler(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerLimit,
		ErrorLog:          slog.NewLogLogger(a.Logger.Handler(), slog.LevelWarn),
	}
}

// bounded reads the body, which nobody has a use for, and refuses one that is
// larger or comes slower than any caller needs. Only behind it can net/http
// notice that a caller goes away.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, err := io.Copy(io.Discard, http.MaxBytesReader(w, req.Body, bodyLimit))
		var large *http.MaxBytesError
		switch {
		case err == nil:
			next.ServeHTTP(w, req)
			return
		case errors.As(err, &large):
			answer(w, http.StatusRequestEntityTooLarge, problem{"a body is not needed, and at most 64 KiB are taken"})
		case errors.Is(err, os.ErrDeadlineExceeded):
			w.Header().Set("Connection", "close")
			answer(w, http.StatusRequestTimeout, problem{"the body did not come in time"})
		default:
			w.Header().Set("Connection", "close")
			answer(w, http.StatusBadRequest, problem{"the body cannot be read"})
		}
	})
}

// Listen opens the TCP listener with at most limit connections at once, and no more
// than half of the descriptors that the process may have: a flood of callers must
// leave some for the hooks. The kernel's queue holds more.
func Listen(address string, limit int) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return &limitedListener{Listener: l, slots: make(chan struct{}, affordable(limit)), closed: make(chan struct{})}, nil
}
