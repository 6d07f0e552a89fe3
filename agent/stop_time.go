package agent

import (
	"context"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// stopSlack is how much longer than the grace period a stop can take: kubelet adds 2 s after
// a preStop (deploy/kubernetes/kubelet.md), and needs some time of its own.
const stopSlack = 5 * time.Second

// watchStop calls mainExited at the end of the main process that is there at a stop signal,
// if it comes before ctx ends. The function that it returns waits for that, if the process
// has ended.
func (a *Agent) watchStop(ctx context.Context, signal time.Time) (tell func()) {
	if a.Finder == nil {
		return func() {}
	}
	main, err := a.Finder.Current()
	if err != nil {
		return func() {} // none is there
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		if main.WaitExit(ctx) == nil {
			a.mainExited(time.Now(), signal)
		}
	}()
	return func() {
		if !main.Alive() {
			<-told
		}
	}
}

// mainExited tells the Course that the main process of another container has ended at that
// time. Its stop began with the preStop, which is the last call of shutdown, or with the
// agent's own stop signal, which is zero before it. Without any it has ended by itself.
func (a *Agent) mainExited(at, signal time.Time) {
	began := signal
	hook := a.Store.Hook(config.Shutdown)
	rec, found, err := hook.Read()
	if found && err == nil {
		called, _ := hook.CalledLast() // zero if none is known
		if called.Before(rec.Start) {
			called = rec.Start
		}
		// An older call was a drain by hand.
		if called.Before(at) && at.Sub(called) <= a.Settings.GracePeriod+stopSlack && (began.IsZero() || called.Before(began)) {
			began = called
		}
	}
	if !began.IsZero() {
		a.Course.Stopped(at.Sub(began))
	}
}
