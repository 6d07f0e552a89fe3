package agent

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The limits of the listener. There is no write timeout, because an answer comes
// when its run has ended; send sets one for the answer itself.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
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

// bounded refuses bodies that are larger than any caller has a use for. Nothing
// reads them.
func (a *Agent) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.ContentLength > bodyLimit {
			w.Header().Set("Connection", "close")
			answer(w, http.StatusRequestEntityTooLarge, problem{"a body is not needed, and at most 64 KiB are taken"})
			return
		}
		req.Body = http.MaxBytesReader(w, req.Body, bodyLimit)
		next.ServeHTTP(w, req)
	})
}

// Listen opens the TCP listener with at most limit connections at once; the
// kernel's queue holds more.
func Listen(address string, limit int) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return &limitedListener{Listener: l, slots: make(chan struct{}, limit), closed: make(chan struct{})}, nil
}
