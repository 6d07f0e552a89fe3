package kubelet

import (
	"context"
	"fmt"
	"time"
)

// postStartDelay returns the observed times from the start of the entrypoint to its
// postStart. A request comes so early that a server in the same container may not listen
// yet (deploy/kubernetes/kubelet.md, "More").
func postStartDelay(h *Handler) Range {
	if h.HTTPGet != nil {
		return Range{0, 2 * time.Millisecond}
	}
	return Range{5 * time.Millisecond, 85 * time.Millisecond}
}

// instance is one start of a container.
type instance struct {
	spec      Container
	sidecar   bool
	number    int
	process   Process
	startedAt float64
	dead      chan struct{} // closed when nothing of it is left

	// exit, reason and finishedAt may be read once dead is closed.
	exit       Exit
	reason     string
	finishedAt float64
	backOff    time.Duration // before the next start

	// The rest is under kubelet.mu.
	ready, started, probed bool
	willFail               bool  // by the scenario
	forced                 *Exit // how it seems to end
	preStopCalled          bool
	killed                 bool // by SIGKILL after the grace period
	stopped                bool // it got its stop signal
	failure                *probeFailure
	stopProbes             context.CancelFunc
}

func (i *instance) isDead() bool {
	select {
	case <-i.dead:
		return true
	default:
		return false
	}
}

// start starts a container, calls its postStart and waits for that without a limit. A
// postStart that fails kills the container.
func (k *kubelet) start(ctx context.Context, c *container) {
	c.starts++
	inst := &instance{spec: c.spec, sidecar: c.sidecar, number: c.starts, dead: make(chan struct{})}
	k.timeline.event("Normal", "Created", c.spec.Name, "Created container: "+c.spec.Name)
	inst.startedAt = k.timeline.now()
	process, err := k.runtime.Start(c.spec, c.starts)
	c.inst = inst
	k.addInstance(inst)
	if err != nil {
		k.startFailed(c, err)
		return
	}
	inst.process = process
	k.timeline.event("Normal", "Started", c.spec.Name, "Started container "+c.spec.Name)
	go k.awaitExit(c, inst)
	if c.sidecar {
		defer k.holdNext()
	}
	if c.spec.PostStart == nil {
		return
	}
	k.setBusy(c.spec.Name + "/postStart")
	defer k.setBusy("")
	k.timeline.Add("kubelet", "pod is Pending", "until postStart has ended")
	time.Sleep(k.pick(postStartDelay(c.spec.PostStart)))
	defer k.restartAfter(k.scenario.KubeletRestartInPostStart)()
	if err := k.runHook(ctx, inst, "postStart", c.spec.PostStart); err != nil && ctx.Err() == nil {
		k.timeline.event("Warning", "FailedPostStartHook", c.spec.Name, "PostStartHook failed")
		time.Sleep(afterFailedPostStart)
		k.killContainer(ctx, inst, "FailedPostStartHook", k.lockedGrace(), nil)
	}
}

func (k *kubelet) startFailed(c *container, err error) {
	inst := c.inst
	k.timeline.event("Warning", "Failed", c.spec.Name, "Error: "+err.Error())
	inst.exit, inst.reason = Exit{Code: 128, TerminationMessage: err.Error()}, "StartError"
	inst.finishedAt = k.timeline.now()
	k.planRestart(c)
	close(inst.dead)
	k.poke()
}

// awaitExit records the end of an instance and plans its next start.
func (k *kubelet) awaitExit(c *container, inst *instance) {
	inst.exit = inst.process.Wait()
	k.mu.Lock()
	if inst.forced != nil {
		inst.forced.TerminationMessage = inst.exit.TerminationMessage
		inst.exit = *inst.forced
	}
	k.mu.Unlock()
	inst.finishedAt = k.timeline.now()
	inst.reason = exitReason(inst.exit)
	result := fmt.Sprintf("exit code %d (%s)", inst.exit.Code, inst.reason)
	if inst.exit.Signal != 0 {
		result += ", by " + signalName(inst.exit.Signal)
	}
	k.timeline.Add(inst.spec.Name, "ended", result)
	k.mu.Lock()
	if inst.stopProbes != nil {
		inst.stopProbes()
	}
	k.mu.Unlock()
	k.setReady(inst, false)
	k.planRestart(c)
	close(inst.dead)
	k.poke()
}

// publish updates the status after a sync, and begins to probe what runs. So nothing is
// probed while a postStart runs.
func (k *kubelet) publish(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	for _, inst := range k.running() {
		k.mu.Lock()
		fresh := !inst.probed
		inst.probed = true
		k.mu.Unlock()
		if fresh {
			k.startProbes(ctx, inst)
			k.planFailure(inst)
		}
	}
}

func (k *kubelet) isDeleted() bool {
	select {
	case <-k.deleted:
		return true
	default:
		return false
	}
}

func (k *kubelet) setBusy(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy = what
}

func (k *kubelet) lockedGrace() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.grace()
}

func (k *kubelet) addInstance(inst *instance) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.instances = append(k.instances, inst)
}

func (k *kubelet) addHookRun(run HookRun) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hookRuns = append(k.hookRuns, run)
}
