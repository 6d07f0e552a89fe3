package main

import (
	"context"
	"flag"
	"strconv"
	"time"
)

// longestSleep bounds the duration; a longer one is a typing error.
const longestSleep = 24 * time.Hour

// defineSleep waits. A bare number means seconds, as for sleep(1).
func defineSleep(inv *invocation, _ *flag.FlagSet) action {
	return func(ctx context.Context, words []string) int { return sleep(ctx, inv, words[0]) }
}

func sleep(ctx context.Context, inv *invocation, word string) int {
	d, err := time.ParseDuration(word)
	if seconds, numErr := strconv.ParseFloat(word, 64); numErr == nil && seconds <= longestSleep.Seconds() {
		d, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || d < 0 || d > longestSleep {
		return inv.fail(usagef("sleep: %q: a duration from 0s to 24h is needed, such as 5s or 1m30s", word))
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
