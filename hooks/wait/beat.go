package wait

import (
	"net/netip"
	"slices"
	"time"
)

// beat is the time at which the probes of one address come. kubelet probes every
// periodSeconds, which are whole seconds, on a new connection each time. The server closes
// that, and the kernel remembers it for a minute: so it is known who came regularly before
// the wait began. All times here count from that moment.
type beat struct{ last, period time.Duration }

const (
	// fewestProbes make a beat.
	fewestProbes = 5
	// mostBeats have one address: of its probes for startup, readiness and liveness.
	mostBeats = 3
	// mostEnds are more than mostBeats leave in a minute.
	mostEnds = 200
	// byChance is how probable a beat among other connections of its address may be.
	byChance = 1e-6
	// offBeat is how much a probe can be early or late, and offLook how much later a look
	// may find it.
	offBeat, offLook = 150 * time.Millisecond, 150 * time.Millisecond
)

// findBeats finds the beats with a period of at most longest in the ends of one address's
// connections. A beat has gone on since the first of them. Among many connections some
// always fit, so many have no beat, and no beat is one that chance explains.
func findBeats(ends []time.Duration, longest time.Duration) (found []beat) {
	if len(ends) > mostEnds {
		return nil
	}
	slices.Sort(ends)
	for period := time.Second; period <= longest; period += time.Second {
		for _, last := range ends {
			if last < -period-offBeat || onBeat(found, last, offBeat) {
				continue
			}
			first, n := last, 0
			for at, ok := last, true; ok; at, ok = near(ends, last-time.Duration(n)*period) {
				first, n = at, n+1
			}
			if n >= fewestProbes && first-ends[0] <= period+offBeat && chance(ends, found, n) <= byChance {
				found = append(found, beat{last, period})
			}
		}
	}
	if len(found) > mostBeats {
		return nil
	}
	return found
}

// chance returns how probable it is that n of these ends fit a beat, if all that are off the
// beats found come at random.
func chance(ends []time.Duration, found []beat, n int) float64 {
	others := -n
	for _, end := range ends {
		if !onBeat(found, end, offBeat) {
			others++
		}
	}
	fits := float64(others) * 2 * offBeat.Seconds() / -ends[0].Seconds()
	all := 1.0
	for range n - 1 { // the first one is where it is
		all *= fits
	}
	return all
}

// near returns the end that is near a time.
func near(ends []time.Duration, at time.Duration) (time.Duration, bool) {
	for _, end := range ends {
		if (end - at).Abs() <= offBeat {
			return end, true
		}
	}
	return 0, false
}

// onBeat reports whether a probe is due at that time.
func onBeat(beats []beat, at, off time.Duration) bool {
	for _, b := range beats {
		if (at-b.last+b.period+off)%b.period <= 2*off {
			return true
		}
	}
	return false
}

// findProbes finds the beats of every address.
func findProbes(ended map[netip.Addr][]time.Duration, longest time.Duration) map[netip.Addr][]beat {
	found := map[netip.Addr][]beat{}
	for peer, ends := range ended {
		if beats := findBeats(ends, longest); beats != nil {
			found[peer] = beats
		}
	}
	return found
}
