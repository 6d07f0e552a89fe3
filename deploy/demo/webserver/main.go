// Command webserver is the demo's workload where nginx is not installed: it
// serves a folder and, like nginx, stops gracefully on QUIT and at once on TERM.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stderr))
}

func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("webserver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:0", "address")
	root := flags.String("root", ".", "folder to serve")
	pidfile := flags.String("pidfile", "", "file for the PID")
	if flags.Parse(args) != nil {
		return 2
	}
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGQUIT, syscall.SIGTERM)
	if *pidfile != "" {
		if err := os.WriteFile(*pidfile, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			fmt.Fprintln(stderr, "webserver:", err)
			return 1
		}
	}
	files := http.FileServer(http.Dir(*root))
	handler := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/slow" {
			time.Sleep(400 * time.Millisecond)
		}
		files.ServeHTTP(w, req)
	})
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		fmt.Fprintln(stderr, "webserver:", err)
		return 1
	case sig := <-stops:
		if sig == syscall.SIGTERM {
			_ = server.Close()
			return 0
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		fmt.Fprintln(stderr, "webserver:", err)
		return 1
	}
	return 0
}
