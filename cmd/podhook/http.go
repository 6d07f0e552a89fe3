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
	// maxPrinted is how many bytes of the answer are printed.
	maxPrinted = 1 << 20
)

// httpCall is the http step as a command, for images without curl. It prints the
// answer; the exit code says whether the status was expected.
func httpCall(ctx context.Context, inv *invocation) int {
	fs := flag.NewFlagSet("http", flag.ContinueOnError)
	var e endpointFlags
	e.register(fs)
	method := fs.String("X", "", "")
	body := fs.String("d", "", "")
	status := statusFlag(fs)
	timeout := fs.Duration("timeout", defaultCall, "")
	words, err := parse(fs, inv.args)
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
		return inv.fail(err)
	}
	if *method == "" {
		*method = config.DefaultMethod(*body)
	}
	endpoint, err := e.at("URL", words[0])
	if err != nil {
		return inv.fail(err)
	}
	ctx, stop := untilStopped(ctx)
	defer stop()
	limited, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	err = inv.request(limited, config.HTTP{Endpoint: endpoint, Method: *method, Body: *body, Status: *status})
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		return interruptedCode(ctx)
	case limited.Err() != nil:
		fmt.Fprintf(inv.stderr, "podhook: no whole answer within %v\n", *timeout)
		return exitLate
	}
	fmt.Fprintln(inv.stderr, "podhook: "+err.Error())
	return exitFailed
}

// request sends the request and prints the answer.
func (inv *invocation) request(ctx context.Context, h config.HTTP) error {
	res, err := httpcall.Send(ctx, h, maxPrinted)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(inv.stdout, res.Body)
	if !config.StatusIn(res.StatusCode, h.Status) {
		return errors.New("status " + res.Status)
	}
	return err
}
