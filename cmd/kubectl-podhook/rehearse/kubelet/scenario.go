package kubelet

import "time"

// Scenario is what happens to the pod from outside.
type Scenario struct {
	// StopAfter is the time from ready to the end of the pod.
	StopAfter time.Duration
	// DeleteAt is the time from the start of the pod to an end that does not wait until the
	// pod is ready.
	DeleteAt time.Duration
	// End is how the pod ends.
	End Ending
	// Force is `kubectl delete --force --grace-period=0`.
	Force bool
	// KubeletRestart, if it is not 0, is the time from the begin of the stop to a restart
	// of kubelet.
	KubeletRestart time.Duration
	// KubeletRestartInPostStart, if it is not 0, is the time from the begin of the first
	// postStart to a restart of kubelet.
	KubeletRestartInPostStart time.Duration
	// DownAtEnd restarts kubelet just before the end of the pod, which it learns late.
	DownAtEnd bool
	// KubeletDown is how long kubelet is away when it restarts.
	KubeletDown time.Duration
	// Restarts is how often each container can restart. After that the rehearsal ends.
	// With Unlimited it goes on until the DELETE.
	Restarts int
	// RestartAfter, if it is not 0, is the time from a start, its postStart included, to a
	// failure of the first ordinary container, or of RestartContainer. It happens Restarts
	// times, and once with Unlimited.
	RestartAfter     time.Duration
	RestartContainer string
	// Failure is what happens then. Empty is FailLiveness.
	Failure Failure
	// BackOff is kubelet's back-off before the second restart; it doubles up to
	// 5 minutes. 0 is kubelet's own 10 s.
	BackOff time.Duration
	// Delays are kubelet's own. The zero value has none, for tests.
	Delays Delays
	// Seed sets the random delays.
	Seed uint64
	// NodeIP, if it is set, is the source address of hooks and probes.
	NodeIP string
}

// Unlimited restarts.
const Unlimited = -1

// Ending is how a pod ends.
type Ending string

// The endings. Empty is EndDelete.
const (
	EndDelete   Ending = "delete"
	EndDrain    Ending = "drain"    // kubectl drain, by the Eviction API
	EndEviction Ending = "eviction" // by kubelet, because the node runs out of memory
)

// Failure is how a container fails in a scenario.
type Failure string

// The failures.
const (
	FailLiveness Failure = "liveness" // its liveness probe fails
	FailOOM      Failure = "oom"      // the kernel kills it, because memory has run out
	FailKill     Failure = "kill"     // somebody sends SIGKILL to its first process
	// It exits with a code that its first rule with the action Restart or
	// RestartAllContainers takes. What ends it in truth is SIGKILL.
	FailRestartRule    Failure = "restart-rule"
	FailRestartAllRule Failure = "restart-all-rule"
)

// Delays are times that kubelet and the container runtime take.
type Delays struct {
	// Restart is the time from the death of a container to its next start, back-off aside.
	Restart Range
	// AfterSidecar is the time from the start of a native sidecar to that of the next
	// container.
	AfterSidecar Range
}

// Range is a random time from Min to Max.
type Range struct{ Min, Max time.Duration }

// Observed returns the delays of a real node (deploy/kubernetes/kubelet.md, "More").
func Observed() Delays {
	return Delays{
		Restart:      Range{400 * time.Millisecond, time.Second},
		AfterSidecar: Range{400 * time.Millisecond, 900 * time.Millisecond},
	}
}

// failures returns how often the failure happens.
func (s Scenario) failures() int {
	switch {
	case s.RestartAfter == 0:
		return 0
	case s.Restarts == Unlimited:
		return 1
	}
	return s.Restarts
}

// ruleAction returns the action of the rule that the failure is for, or nothing.
func (f Failure) ruleAction() RestartAction {
	switch f {
	case FailRestartRule:
		return RestartContainer
	case FailRestartAllRule:
		return RestartAllContainers
	}
	return ""
}

// RuleCode returns an exit code that the first rule with the action takes, or false if the
// container has no such rule.
func (c Container) RuleCode(action RestartAction) (int, bool) {
	for _, r := range c.RestartRules {
		if r.Action != action {
			continue
		}
		for code := 1; code < 256; code++ {
			if r.matches(code) && c.ruleFor(code) == action {
				return code, true
			}
		}
	}
	return 0, false
}

// ruleFor returns the action of the first rule that takes an exit code, or nothing.
func (c Container) ruleFor(code int) RestartAction {
	for _, r := range c.RestartRules {
		if r.matches(code) {
			return r.Action
		}
	}
	return ""
}
