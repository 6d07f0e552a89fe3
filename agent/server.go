package agent

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"
)

// The limits of the server. There is no write timeout, because an answer waits for the
// end of its run; send bounds the answer itself.
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

// bounded reads and drops the body, and refuses one that is too large or too slow.
// net/http notices only after the body that a caller leaves.
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
