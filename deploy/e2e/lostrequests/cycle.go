package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"github.com/podhook/podhook/deploy/e2e/lostrequests/load"
)

const (
	// warmUp is how long the server is under load before the stop begins.
	warmUp = 3 * time.Second
	// cycleLimit bounds one cycle.
	cycleLimit = 2 * time.Minute
	// requestLimit bounds one request; a pod is gone long before.
	requestLimit = 45 * time.Second
)

func kinds() []load.Kind {
	return []load.Kind{
		{Name: "fast", Path: "/fast", Every: 50 * time.Millisecond},
		{Name: "fast, kept connection", Path: "/fast", Every: 50 * time.Millisecond, KeepAlive: true},
		{Name: "proxied for 3 s", Path: "/proxied", Every: 250 * time.Millisecond},
		{Name: "download of 6 s", Path: "/download", Every: 500 * time.Millisecond},
	}
}

// cycle is the result of one stop.
type cycle struct {
	counts map[string]load.Count
	losses []loss
	// stop is the time from the DELETE to the server's end, in seconds.
	stop float64
	exit int
	// failedHooks is how many of kubelet's hook calls it counts as failed.
	failedHooks int
}

// loss is one request that was lost; its times are seconds after the DELETE.
type loss struct {
	Kind  string  `json:"kind"`
	Cause string  `json:"cause"`
	Began float64 `json:"began"`
	Ended float64 `json:"ended"`
}

// cycle plays the life of one pod: it gets ready, is under load, and is deleted.
func (b *bench) cycle(ctx context.Context, j job) (cycle, error) {
	ctx, cancel := context.WithTimeout(ctx, cycleLimit)
	defer cancel()
	pod, options := j.variant.pod(b, j.server, j.n)
	l := &onTimeline{ctx: ctx, withdrawal: j.withdrawal}
	timeline := kubelet.NewTimeline(l.observe)
	options.Output = func(container, line string) { timeline.Add(container, "log", line) }
	runtime, err := docker.New(options)
	if err != nil {
		return cycle{}, err
	}
	l.address = runtime.Address() + ":8000"
	report := kubelet.Rehearse(ctx, pod, kubelet.Scenario{StopAfter: warmUp, DeleteAt: time.Minute}, runtime, timeline)
	c, err := l.wait()
	// Only now: no other pod may get the address while requests go there.
	if err := runtime.Close(); err != nil {
		return cycle{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return cycle{}, err
	}
	if err != nil {
		return cycle{}, fmt.Errorf("%w\n%s", err, text(report))
	}
	return c, c.read(report, j.server.name)
}

// onTimeline puts the load on the pod when it is ready, and withdraws it after
// the DELETE.
type onTimeline struct {
	ctx     context.Context
	address string
	// withdrawal is how long the load balancers still send after the stop begins.
	withdrawal time.Duration

	mu       sync.Mutex
	load     *load.Load
	withdraw context.CancelFunc
	deleted  time.Time
}

func (o *onTimeline) observe(e kubelet.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e.Who + " " + e.What {
	case "kubelet pod is ready":
		if o.load == nil {
			var ctx context.Context
			ctx, o.withdraw = context.WithCancel(o.ctx)
			o.load = load.Start(ctx, o.address, requestLimit, kinds())
		}
	case "api DELETE":
		o.deleted = time.Now()
		if o.load != nil {
			time.AfterFunc(o.withdrawal, o.withdraw)
		}
	}
}

func (o *onTimeline) wait() (cycle, error) {
	o.mu.Lock()
	l, deleted := o.load, o.deleted
	o.mu.Unlock()
	if l == nil {
		return cycle{}, errors.New("the pod was never ready")
	}
	var c cycle
	var losses []load.Loss
	c.counts, losses = l.Wait()
	for _, l := range losses {
		c.losses = append(c.losses, loss{l.Kind, l.Cause, l.Began.Sub(deleted).Seconds(), l.Ended.Sub(deleted).Seconds()})
	}
	return c, nil
}

// read takes the rest from the pod's report.
func (c *cycle) read(r kubelet.Report, name string) error {
	for _, e := range r.Timeline {
		if e.Who == name && e.What == "ended" && e.SinceDelete != nil {
			c.stop = *e.SinceDelete
		}
	}
	for _, h := range r.Hooks {
		if h.Failed {
			c.failedHooks++
		}
	}
	for _, s := range r.Containers {
		if s.Name == name && s.RestartCount == 0 && s.Last() != nil && c.stop > 0 {
			c.exit = s.Last().ExitCode
			return nil
		}
	}
	return fmt.Errorf("the server did not live until the DELETE\n%s", text(r))
}

func text(r kubelet.Report) string {
	var b strings.Builder
	for _, e := range r.Timeline {
		fmt.Fprintf(&b, "%8.3f %s %s %s\n", e.At, e.Who, e.What, e.Result)
	}
	return b.String()
}
