package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/podhook/podhook/hooks/httpcall"
)

// instanceHeader names the instance in the answers to probes, so that another process of
// the container knows that its own agent answers, and not a program on the same port.
const instanceHeader = "Podhook-Instance"

// answerTime bounds the request of Answers.
const answerTime = time.Second

// errOtherServer says that something else than the agent of the instance has answered.
var errOtherServer = errors.New("not the agent of this instance")

// Answers reports whether the agent of an instance listens at the address.
func Answers(address, instance string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	_, _, err := ask(ctx, address, "/livez", instance)
	return err == nil
}

// AskReady asks the agent of an instance for the line of /readyz. answered is false if no
// such agent listens at the address. An agent that does not answer before ctx ends is not
// ready.
func AskReady(ctx context.Context, address, instance string) (line string, ready, answered bool) {
	status, body, err := ask(ctx, address, "/readyz", instance)
	switch {
	case err == nil && (status == http.StatusOK || status == http.StatusServiceUnavailable):
		return strings.TrimSpace(body), status == http.StatusOK, true
	case ctx.Err() != nil:
		return ReadyLine("the agent at " + address + " does not answer"), false, true
	}
	return "", false, false
}

// ask gets a path of the agent.
func ask(ctx context.Context, address, path, instance string) (status int, body string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, "", err
	}
	if host == "" {
		host = "localhost"
	}
	res, err := httpcall.Do(ctx, httpcall.Request{Method: http.MethodGet, URL: "http://" + net.JoinHostPort(host, port) + path}, maxBody)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	if res.Header.Get(instanceHeader) != instance {
		return 0, "", errOtherServer
	}
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}
