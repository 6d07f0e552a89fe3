// Package answers has the answers that the load asks for: of the server behind the proxies,
// and of the plain server.
package answers

import (
	"net/http"
	"strconv"
	"time"
)

const (
	// proxiedTime is how long the upstream takes for a proxied request.
	proxiedTime = 3 * time.Second
	// Longest is how long a slow download takes, the longest request.
	Longest = 6 * time.Second
)

// Handler answers /fast, /proxied and /download.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/fast", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("fast\n")) })
	mux.HandleFunc("/proxied", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(proxiedTime)
		_, _ = w.Write([]byte("proxied\n")) // the client counts
	})
	mux.HandleFunc("/download", download)
	return mux
}

// download is slow from its first byte to its last.
func download(w http.ResponseWriter, _ *http.Request) {
	const pieces = 60
	piece := make([]byte, 10000)
	w.Header().Set("Content-Length", strconv.Itoa(pieces*len(piece)))
	for range pieces {
		if _, err := w.Write(piece); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		time.Sleep(Longest / pieces)
	}
}
