package kubelet

import (
	"syscall"
	"time"
)

// planFailure plays the failure of the scenario, unless it has happened often enough.
func (k *kubelet) planFailure(inst *instance) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if inst.spec.Name != k.failing() || inst.willFail || k.failed >= k.scenario.failures() {
		return
	}
	inst.willFail = true
	time.AfterFunc(k.scenario.RestartAfter, func() { k.fail(inst) })
}

// failing returns the name of the container that fails.
func (k *kubelet) failing() string {
	if k.scenario.RestartContainer != "" {
		return k.scenario.RestartContainer
	}
	return k.pod.Containers[0].Name
}

// fail is the failure of a container.
func (k *kubelet) fail(inst *instance) {
	if inst.isDead() || k.isDeleted() {
		return
	}
	k.mu.Lock()
	k.failed++
	k.ailing = inst
	k.mu.Unlock()
	who, failure := inst.spec.Name, k.scenario.Failure
	switch failure {
	case "", FailLiveness:
		k.timeline.event("Warning", "Unhealthy", who, "Liveness probe failed: (rehearsed)")
		k.failProbe(inst, "liveness", inst.spec.Liveness)
	case FailOOM:
		k.timeline.Add(who, "OOM", "the kernel kills it (rehearsed)")
		k.forceExit(inst, &Exit{Code: 137, Signal: syscall.SIGKILL, OOMKilled: true})
	case FailKill:
		k.timeline.Add(who, "is killed", "SIGKILL, not by kubelet (rehearsed)")
		k.forceExit(inst, nil)
	case FailRestartRule, FailRestartAllRule:
		code, _ := inst.spec.RuleCode(failure.ruleAction())
		k.timeline.Add(who, "exits", "with a code that its restart rule takes (rehearsed)")
		k.forceExit(inst, &Exit{Code: code})
	}
}

// forceExit kills the container. It seems to end with exit, if that is not nil.
func (k *kubelet) forceExit(inst *instance, exit *Exit) {
	k.mu.Lock()
	inst.forced = exit
	k.mu.Unlock()
	_ = inst.process.Kill() // Wait tells: it is over when the container is
}
