package agent

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/httpcall"
	"github.com/podhook/podhook/hooks/state"
)

// figuresTime bounds the time in which the figures are sent. A slow receiver does not hold
// the end of the container up for longer.
const figuresTime = 2 * time.Second

var errFiguresTime = errors.New("no end within " + figuresTime.String())

// SendFigures sends the metrics, with the labels of PODHOOK_PUSH_GROUP, to where they
// outlive the pod: a Pushgateway, and a file that the node's exporter reads. It takes at most
// 2 s. What fails is logged. It may be called from any goroutine.
func (a *Agent) SendFigures() {
	s := a.Settings
	if !s.SendsFigures() || a.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), figuresTime, errFiguresTime)
	defer cancel()
	done := make(chan error, 1) // a disk can hang, and so can the call before this one
	go func() {
		a.sending.Lock()
		defer a.sending.Unlock()
		done <- a.sendFigures(ctx)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		a.Logger.Warn("figures not sent", "error", err.Error())
	}
}

func (a *Agent) sendFigures(ctx context.Context) error {
	registry := prometheus.NewRegistry()
	prometheus.WrapRegistererWith(a.Settings.PushGroup.Labels(), registry).MustRegister(newCollector(a))
	var figures bytes.Buffer
	a.reading.Lock()
	gathered, err := registry.Gather()
	a.reading.Unlock()
	if err = cmp.Or(err, writeText(&figures, gathered)); err != nil {
		return err
	}
	text := figures.Bytes()
	var file, push error
	if dir := string(a.Settings.TextfileDir); dir != "" {
		file = state.WriteFileAtomic(filepath.Join(dir, figuresFile(a.Settings.PushGroup)), text, 0o644)
	}
	if a.Settings.Pushgateway != "" {
		push = a.push(ctx, text)
	}
	return errors.Join(file, push)
}

// figuresFile is the same for all pods of a group, so that a node's files do not become
// more and more.
func figuresFile(group settings.Group) string {
	name := "podhook"
	for _, l := range group {
		name += "-" + l.Value
	}
	return name + ".prom"
}

// push replaces the metrics of the group in the Pushgateway.
func (a *Agent) push(ctx context.Context, text []byte) error {
	to, err := config.ParseURL(string(a.Settings.Pushgateway))
	if err != nil {
		return err
	}
	path := "/metrics/job/podhook"
	for _, l := range a.Settings.PushGroup {
		path += "/" + l.Name + "/" + url.PathEscape(l.Value)
	}
	res, err := httpcall.Do(ctx, httpcall.Request{
		Method: http.MethodPut, URL: strings.TrimSuffix(to.Request, "/") + path, Socket: to.Socket,
		Header: http.Header{"Content-Type": {textFormat}}, Body: string(text),
	}, 1<<10)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		why, _ := io.ReadAll(res.Body) // the status says enough
		return fmt.Errorf("the Pushgateway answers %s: %q", res.Status, why)
	}
	return nil
}
