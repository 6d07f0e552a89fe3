package procfs

import (
	"time"

	"golang.org/x/sys/unix"
)

// Tick is a clock tick, the unit of start times: USER_HZ is 100 on every
// architecture that Go supports.
const Tick = 10 * time.Millisecond

// Now returns the present time in clock ticks since boot, as Stat.Start counts. It
// is 0 where that is unknown.
func Now() uint64 {
	var sinceBoot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &sinceBoot) != nil {
		return 0
	}
	return uint64(sinceBoot.Nano()) / uint64(Tick)
}

// Started converts clock ticks since boot, suspended time included, to a time by the
// clock as it is set now. It returns the zero time where that is unknown.
func Started(ticks uint64) time.Time {
	const quick = time.Millisecond
	var before, after unix.Timespec
	if ticks == 0 {
		return time.Time{}
	}
	var started time.Time
	for range 10 {
		if unix.ClockGettime(unix.CLOCK_BOOTTIME, &before) != nil {
			return time.Time{}
		}
		now := time.Now().Round(0)
		_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &after) // the first call succeeded
		started = now.Add(time.Duration(ticks)*Tick - time.Duration(before.Nano()))
		if after.Nano()-before.Nano() < int64(quick) {
			break // otherwise this thread was held up between the two clocks
		}
	}
	return started
}
