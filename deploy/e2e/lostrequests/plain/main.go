// Command plain is an HTTP server that knows nothing of draining: it dies at once on
// SIGTERM, as most small servers do.
package main

import (
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/podhook/podhook/deploy/e2e/lostrequests/answers"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM) // PID 1 would not get it otherwise
	go func() {
		<-stop
		os.Exit(0)
	}()
	server := &http.Server{Addr: ":8000", Handler: answers.Handler(), ReadHeaderTimeout: 10 * time.Second}
	if server.ListenAndServe() != nil {
		os.Exit(1)
	}
}
