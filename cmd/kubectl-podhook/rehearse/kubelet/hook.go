package kubelet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// HookRun is one call of a hook, for the report.
type HookRun struct {
	Container string  `json:"container"`
	Hook      string  `json:"hook"`
	Kind      string  `json:"kind"`
	At        float64 `json:"at"`
	Seconds   float64 `json:"seconds"`
	// Failed says that kubelet counts the call as failed. Error is the cause, which no
	// event shows.
	Failed bool   `json:"failed"`
	Error  string `json:"error,omitempty"`
	// BrokenOff says that a restart of kubelet has ended the call.
	BrokenOff bool `json:"brokenOff,omitempty"`
	// Status is the status of the answer to httpGet, which kubelet ignores.
	Status int `json:"status,omitempty"`
	// OutputBytes is the size of the output of an exec'd hook. If postStart fails, all of
	// it goes into the status of the pod.
	OutputBytes int `json:"outputBytes,omitempty"`
}

// runHook calls a hook. It returns an error if kubelet counts the call as failed. It has
// no timeout; ctx ends with kubelet.
func (k *kubelet) runHook(ctx context.Context, inst *instance, name string, h *Handler) error {
	who := inst.spec.Name + "/" + name
	run := HookRun{Container: inst.spec.Name, Hook: name, Kind: h.kind(), At: k.timeline.now()}
	k.timeline.Add(who, "begins", h.describe())
	result, err := k.callHandler(ctx, who, inst, h, &run)
	run.Seconds = k.timeline.now() - run.At
	took := fmt.Sprintf(" (%.2f s)", run.Seconds)
	if err != nil {
		if run.BrokenOff = ctx.Err() != nil; run.BrokenOff {
			err = fmt.Errorf("kubelet went away: %w", err)
		}
		run.Failed, run.Error = true, err.Error()
		k.timeline.Add(who, "fails", err.Error()+took)
	} else {
		k.timeline.Add(who, "succeeds", result+took)
	}
	k.addHookRun(run)
	return err
}

func (k *kubelet) callHandler(ctx context.Context, who string, inst *instance, h *Handler, run *HookRun) (string, error) {
	switch {
	case h.Exec != nil:
		return k.execHandler(ctx, who, inst, h.Exec, run)
	case h.HTTPGet != nil:
		return k.httpHandler(ctx, who, inst, h.HTTPGet, run)
	case h.Sleep != nil:
		// kubelet sleeps even if the container dies meanwhile.
		select {
		case <-time.After(*h.Sleep):
			return "slept", nil
		case <-ctx.Done():
			return "", errors.New("container terminated before sleep hook finished")
		}
	}
	return "", errors.New("invalid handler: one of exec, httpGet and sleep is needed")
}

// execHandler runs a program in the container. Only the timeline shows its output.
func (k *kubelet) execHandler(ctx context.Context, who string, inst *instance, argv []string, run *HookRun) (string, error) {
	output := &lineWriter{emit: func(line string) { k.timeline.Add(who, "output", line) }}
	code, err := inst.process.Exec(ctx, argv, output)
	output.flush()
	run.OutputBytes = output.total
	switch {
	case err != nil:
		return "", err
	case code != 0:
		return "", fmt.Errorf("command %q exited with %d", argv, code)
	}
	return "exit code 0", nil
}

// httpHandler sends one request. Only a transport error is a failure; the status is
// ignored (deploy/kubernetes/kubelet.md, "answered 500").
func (k *kubelet) httpHandler(ctx context.Context, who string, inst *instance, get *HTTPGet, run *HookRun) (string, error) {
	if err := k.reachable(get, inst.process.Address()); err != nil {
		return "", err
	}
	req, err := newRequest(ctx, get, inst.spec.Ports, inst.process.Address(), "lifecycle")
	if err != nil {
		return "", err
	}
	resp, err := k.client.Do(req)
	if servesPlainHTTP(err) {
		k.timeline.Add(who, "retries", "the port speaks plain HTTP: once more over HTTP, without Authorization")
		req = req.Clone(ctx)
		req.URL.Scheme = "http"
		req.Header.Del("Authorization")
		if resp, err = k.client.Do(req); err == nil {
			k.timeline.event("Warning", "LifecycleHTTPFallback", inst.spec.Name,
				"request to HTTPS lifecycle hook "+req.URL.Host+" got HTTP response, retry with HTTP succeeded")
		}
	}
	if err != nil {
		return "", err
	}
	run.Status = resp.StatusCode
	return k.readAnswer(who, resp), nil
}

func (k *kubelet) readAnswer(who string, resp *http.Response) string {
	status := "answered " + resp.Status
	if resp.StatusCode >= 300 {
		status += " (the status is ignored)"
	}
	k.timeline.Add(who, "answer", status)
	read, skipped := discardBody(resp)
	if skipped {
		return fmt.Sprintf("%s, body of %d bytes not read", status, resp.ContentLength)
	}
	return fmt.Sprintf("%s, %d bytes of body", status, read)
}

// reachable returns an error in the two cases in which a request cannot reach the pod
// although it could over the loopback of this machine.
func (k *kubelet) reachable(get *HTTPGet, podIP string) error {
	if k.pod.HostNetwork {
		if get.Host == "" {
			return errors.New("no request is sent: a hostNetwork pod needs host in httpGet")
		}
		return nil
	}
	ip := net.ParseIP(get.Host)
	if get.Host == "localhost" || ip != nil && ip.IsLoopback() && get.Host != podIP {
		return fmt.Errorf("dial tcp %s: connection refused (host is the node's loopback, not the pod's)", get.Host)
	}
	return nil
}

func (h *Handler) kind() string {
	switch {
	case h.Exec != nil:
		return "exec"
	case h.HTTPGet != nil:
		return "httpGet"
	}
	return "sleep"
}

func (h *Handler) describe() string {
	switch {
	case h.Exec != nil:
		return fmt.Sprintf("exec %q", h.Exec)
	case h.HTTPGet != nil:
		return "GET " + h.HTTPGet.describe()
	case h.Sleep != nil:
		return "sleep " + h.Sleep.String()
	}
	return "nothing"
}

// describe leaves out the headers, which can hold a token.
func (g *HTTPGet) describe() string {
	scheme := "http"
	if g.Scheme != "" {
		scheme = strings.ToLower(g.Scheme)
	}
	return scheme + "://" + g.Host + ":" + g.Port + g.Path
}

// maxLine bounds one line of output in the timeline, in bytes.
const maxLine = 16 << 10

// lineWriter passes each written line to emit.
type lineWriter struct {
	emit  func(string)
	rest  []byte
	total int
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.total += len(p)
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			break
		}
		w.emit(string(w.rest[:i]))
		w.rest = w.rest[i+1:]
	}
	if len(w.rest) > maxLine {
		w.flush()
	}
	return len(p), nil
}

func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.emit(string(w.rest))
		w.rest = nil
	}
}
