package agent

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/podhook/podhook/agent/door"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/httpcall"
)

// instanceHeader names the instance in the answers to probes, so that another process of
// the container knows that its own agent answers, and not a program on the same port.
const instanceHeader = "Podhook-Instance"

// answerTime bounds the request of Own.Answers.
const answerTime = time.Second

// errOtherServer says that something else than the agent of the instance has answered.
var errOtherServer = errors.New("not the agent of this instance")

// Own is how another process of the container asks the agent of its instance.
type Own struct {
	Address  string // where it listens
	TLS      bool
	Instance string
}

// OwnAgent returns how to ask the agent, or false if none is set to listen.
func OwnAgent(s *settings.Settings, instance string) (Own, bool) {
	address := string(cmp.Or(s.Listen, s.MetricsListen))
	return Own{Address: address, TLS: TLSOf(s, nil).On(), Instance: instance}, address != ""
}

// Answers reports whether the agent listens.
func (o Own) Answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	_, _, err := o.ask(ctx, "/livez")
	return err == nil
}

// Ready asks for the line of /readyz. answered is false if no such agent listens at the
// address. An agent that does not answer before ctx ends is not ready.
func (o Own) Ready(ctx context.Context) (line string, ready, answered bool) {
	status, body, err := o.ask(ctx, "/readyz")
	switch {
	case err == nil && (status == http.StatusOK || status == http.StatusServiceUnavailable):
		return strings.TrimSpace(body), status == http.StatusOK, true
	case ctx.Err() != nil:
		return ReadyLine("the agent at " + o.Address + " does not answer"), false, true
	}
	return "", false, false
}

// ask gets a path of the agent.
func (o Own) ask(ctx context.Context, path string) (status int, body string, err error) {
	request, err := o.request(path)
	if err != nil {
		return 0, "", err
	}
	res, err := httpcall.Do(ctx, request, maxBody)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	if res.Header.Get(instanceHeader) != o.Instance {
		return 0, "", errOtherServer
	}
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func (o Own) request(path string) (httpcall.Request, error) {
	network, at := door.Split(o.Address)
	if network == "unix" {
		return httpcall.Request{Method: http.MethodGet, URL: "http://localhost" + path, Socket: at}, nil
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return httpcall.Request{}, err
	}
	scheme := "http"
	if o.TLS {
		scheme = "https"
	}
	// The answer says which instance it is from, so its certificate need not be verified.
	return httpcall.Request{
		Method: http.MethodGet, URL: scheme + "://" + net.JoinHostPort(cmp.Or(host, "localhost"), port) + path, InsecureSkipVerify: o.TLS,
	}, nil
}
