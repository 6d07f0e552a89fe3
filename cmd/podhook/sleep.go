package main

import (
	"context"
	"flag"
	"strconv"
	"time"
)

// longestSleep bounds the duration; a longer one is a typing error.
const longestSleep = 24 * time.Hour

// sleep waits. A bare number means seconds, as for sleep(1).
func sleep(ctx context.Context, inv *invocation) int {
	inv.briefly()
	words, err := parse(flag.NewFlagSet("sleep", flag.ContinueOnError), inv.args)
	if err == nil && len(words) != 1 {
		err = usagef("sleep: one duration is needed, such as 5s")
	}
	if err != nil {
		return inv.fail(err)
	}
	d, err := time.ParseDuration(words[0])
	if seconds, numErr := strconv.ParseFloat(words[0], 64); numErr == nil && seconds <= longestSleep.Seconds() {
		d, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || d < 0 || d > longestSleep {
		return inv.fail(usagef("sleep: %q: a duration from 0s to 24h is needed, such as 5s or 1m30s", words[0]))
	}
	ctx, stop := untilStopped(ctx)
	defer stop()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return exitOK
	case <-ctx.Done():
		return interruptedCode(ctx)
	}
}
