// Command compare stops a web server twice under the same load, once without podhook and
// once behind it, and prints what the clients have lost.
//
//	compare -url http://127.0.0.2:8080/slow -withdrawal 1s -without 'nginx ...' -with 'podhook run -- nginx ...'
//
// As on a node, requests still come for a while after the stop signal: until every other
// node knows that the endpoint has gone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"
)

const (
	pace       = 20 * time.Millisecond // between two requests
	warmUp     = time.Second           // of load before the stop signal
	startLimit = 10 * time.Second
	stopLimit  = 15 * time.Second
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	url := flags.String("url", "", "what to request")
	withdrawal := flags.Duration("withdrawal", time.Second, "how long requests come after the stop signal")
	without := flags.String("without", "", "command line of the server")
	with := flags.String("with", "", "command line of the server behind podhook")
	if err := flags.Parse(args); err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tREQUESTS\tLOST\tSECONDS TO STOP\tEXIT")
	var seen [2]string
	for i, way := range []struct{ name, command string }{{"without podhook", *without}, {"with podhook", *with}} {
		s, err := stop(strings.Fields(way.command), *url, *withdrawal, stderr)
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%.1f\t%s\n", way.name, s.sent, s.lost, s.took.Seconds(), s.exit)
		if seen[i] = s.log; s.log == "" {
			seen[i] = "nothing\n"
		}
		if way.command == *with && s.lost > 0 {
			return fmt.Errorf("%d requests were lost behind podhook", s.lost)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "\nwhat the log tells without podhook:\n%s\nand with it:\n%s", indent(seen[0]), indent(seen[1]))
	return err
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

// stopped is what a stop has cost.
type stopped struct {
	sent, lost int64
	took       time.Duration
	exit, log  string
}

// stop starts the server, and stops it with SIGTERM under load.
func stop(argv []string, url string, withdrawal time.Duration, stderr io.Writer) (*stopped, error) {
	server := exec.Command(argv[0], argv[1:]...)
	var log strings.Builder
	server.Stdout, server.Stderr = &log, stderr
	if err := server.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	if err := answers(url, ended); err != nil {
		_ = server.Process.Kill()
		return nil, err
	}
	l := &load{url: url}
	sending, withdraw := context.WithTimeout(context.Background(), warmUp+withdrawal)
	defer withdraw()
	done := make(chan struct{})
	go func() { defer close(done); l.send(sending) }()
	time.Sleep(warmUp)
	began := time.Now()
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		return nil, err
	}
	select {
	case <-ended:
	case <-time.After(stopLimit):
		_ = server.Process.Kill()
		return nil, errors.New("the server does not stop")
	}
	took := time.Since(began)
	<-done
	return &stopped{l.sent.Load(), l.lost.Load(), took, server.ProcessState.String(), log.String()}, nil
}

// answers waits until the server answers.
func answers(url string, ended <-chan error) error {
	for began := time.Now(); time.Since(began) < startLimit; {
		select {
		case err := <-ended:
			return fmt.Errorf("the server has ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		if fetch(url) == nil {
			return nil
		}
	}
	return errors.New("the server does not answer")
}

// load sends requests, each on a connection of its own, as from many clients.
type load struct {
	url        string
	sent, lost atomic.Int64
}

// send sends a request every pace until ctx ends, and waits for the last answer.
func (l *load) send(ctx context.Context) {
	var open sync.WaitGroup
	defer open.Wait()
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		open.Go(func() {
			l.sent.Add(1)
			if fetch(l.url) != nil {
				l.lost.Add(1)
			}
		})
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// fetch reads a whole answer.
func fetch(url string) error {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}
