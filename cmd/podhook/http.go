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

// defineHTTP is the http step as a command, for images without curl. It prints the
// answer; the exit code says whether the status was expected.
func defineHTTP(inv *invocation, fs *flag.FlagSet) action {
	var e endpointFlags
	e.register(fs)
	method := fs.String("X", "", "the `METHOD` (default GET, with -d POST)")
	body := fs.String("d", "", "send `TEXT` as the body")
	status := statusFlag(fs)
	timeout := durationFlag(fs, "timeout", defaultCall, "give up after `DURATION`")
	return func(ctx context.Context, words []string) int {
		return httpCall(ctx, inv, &e, words[0], config.HTTP{Method: *method, Body: *body, Status: *status}, *timeout)
	}
}

func httpCall(ctx context.Context, inv *invocation, e *endpointFlags, url string, call config.HTTP, timeout time.Duration) int {
	switch {
	case call.Method == "":
		call.Method = config.DefaultMethod(call.Body)
	case !slices.Contains(config.Methods(), call.Method):
		return inv.fail(usagef("http: -X: %q: one of %s is needed", call.Method, strings.Join(config.Methods(), ", ")))
	}
	if timeout <= 0 {
		return inv.fail(usagef("http: --timeout: %q: a duration of more than 0s is needed", timeout))
	}
	var err error
	if call.Endpoint, err = e.at("URL", url); err != nil {
		return inv.fail(err)
	}
	ctx, stop := untilStopped(ctx)
	defer stop()
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = inv.request(limited, call)
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		return interruptedCode(ctx)
	case limited.Err() != nil:
		fmt.Fprintf(inv.stderr, "podhook: no whole answer within %v\n", timeout)
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
