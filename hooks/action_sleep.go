package hooks

import (
	"context"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// sleep waits. In a shutdown it ends early when the main process exits or is gone:
// nothing is left to wait for.
func sleep(ctx context.Context, a *action, do config.Sleep) {
	timer := time.NewTimer(do.Duration)
	defer timer.Stop()
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case <-timer.C:
		// A sleep that takes all of its time is not in time, whichever timer is first.
		if end, bounded := ctx.Deadline(); bounded && !time.Now().Before(end) {
			<-ctx.Done()
			a.stopped(ctx)
			return
		}
		a.succeed()
	case why := <-a.mainExit(waiting):
		a.succeed()
		a.say("not slept to the end: " + why)
	case <-ctx.Done():
		a.stopped(ctx)
	}
}
