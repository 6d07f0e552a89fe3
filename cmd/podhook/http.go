package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/httpcall"
)

const (
	defaultCall = 30 * time.Second
	// maxPrinted bounds the answer that is printed, in bytes.
	maxPrinted = 1 << 20
)

// httpCall is the http step as a command, for images without curl: it prints the
// answer, and its exit code says whether the status was expected.
func httpCall(ctx context.Context, c *call) int {
	fs := flag.NewFlagSet("http", flag.ContinueOnError)
	var e endpointFlags
	e.register(fs)
	method := fs.String("X", "", "")
	body := fs.String("d", "", "")
	status := statusFlag(fs)
	timeout := fs.Duration("timeout", defaultCall, "")
	words, err := parse(fs, c.args)
	if err == nil && len(words) != 1 {
		err = usagef("http: one URL is needed")
	}
	if err == nil && *method != "" && !slices.Contains(config.Methods(), *method) {
		err = usagef("http: -X: %q: one of %s is needed", *method, strings.Join(config.Methods(), ", "))
	}
	if err == nil && *timeout <= 0 {
		err = usagef("http: --timeout: %q: a duration of more than 0s is needed", *timeout)
	}
	if err != nil {
		return c.fail(err)
	}
	if *method == "" {
		*method = config.DefaultMethod(*body)
	}
	endpoint, err := e.at("URL", words[0])
	if err != nil {
		return c.fail(err)
	}
	ctx, stop := untilStopped(ctx)
	defer stop()
	limited, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	err = c.request(limited, config.HTTP{Endpoint: endpoint, Method: *method, Body: *body, Status: *status})
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		return interruptedCode(ctx)
	case limited.Err() != nil:
		fmt.Fprintf(c.stderr, "podhook: no whole answer within %v\n", *timeout)
		return exitLate
	}
	fmt.Fprintln(c.stderr, "podhook: "+err.Error())
	return exitFailed
}

func (c *call) request(ctx context.Context, h config.HTTP) error {
	res, err := httpcall.Send(ctx, h, maxPrinted)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(c.stdout, res.Body)
	if !config.StatusIn(res.StatusCode, h.Status) {
		return errors.New("status " + res.Status)
	}
	return err
}
