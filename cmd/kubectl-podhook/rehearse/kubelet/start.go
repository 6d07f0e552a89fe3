package kubelet

import (
	"context"
	"fmt"
	"time"
)

// The observed delay between the start of the entrypoint and postStart.
const (
	minPostStartDelay = 5 * time.Millisecond
	maxPostStartDelay = 85 * time.Millisecond
)

// maxBackOff is the longest back-off before a restart.
const maxBackOff = 5 * time.Minute

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

	// The rest is under kubelet.mu.
	ready, started, probed bool
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
	if c.spec.PostStart == nil {
		return
	}
	k.setBusy(c.spec.Name + "/postStart")
	defer k.setBusy("")
	k.timeline.Add("kubelet", "pod is Pending", "until postStart has ended")
	time.Sleep(minPostStartDelay + time.Duration(k.random.Int64N(int64(maxPostStartDelay-minPostStartDelay))))
	if err := k.runHook(ctx, inst, "postStart", c.spec.PostStart); err != nil && ctx.Err() == nil {
		k.timeline.event("Warning", "FailedPostStartHook", c.spec.Name, "PostStartHook failed")
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

// planRestart sets the time of the next start. The first restart comes at once, later
// ones after a back-off that doubles.
func (k *kubelet) planRestart(c *container) {
	c.nextStart = time.Now()
	if c.starts < 2 || k.isDeleted() || !k.willRestart(c) {
		return
	}
	base := k.scenario.BackOff
	if base == 0 {
		base = 10 * time.Second
	}
	delay := min(base<<min(c.starts-2, 10), maxBackOff)
	c.nextStart = c.nextStart.Add(delay)
	time.AfterFunc(delay, k.poke)
	k.timeline.event("Warning", "BackOff", c.spec.Name,
		fmt.Sprintf("Back-off restarting failed container %s in pod %s", c.spec.Name, k.pod.Name))
}

// publish updates the status after a sync, and begins to probe what runs. So nothing is
// probed while a postStart runs.
func (k *kubelet) publish(ctx context.Context) {
	for _, inst := range k.running() {
		k.mu.Lock()
		fresh := !inst.probed
		inst.probed = true
		k.mu.Unlock()
		if fresh {
			k.startProbes(ctx, inst)
			k.planLivenessFailure(inst)
		}
	}
}

// planLivenessFailure plays the failing liveness probe of the scenario.
func (k *kubelet) planLivenessFailure(inst *instance) {
	if k.scenario.RestartAfter == 0 || inst.spec.Name != k.restartTarget() || inst.number > k.scenario.Restarts {
		return
	}
	time.AfterFunc(k.scenario.RestartAfter, func() {
		if inst.isDead() || k.isDeleted() {
			return
		}
		k.timeline.event("Warning", "Unhealthy", inst.spec.Name, "Liveness probe failed: (rehearsed)")
		k.failProbe(inst, "liveness", inst.spec.Liveness)
	})
}

func (k *kubelet) restartTarget() string {
	if k.scenario.RestartContainer != "" {
		return k.scenario.RestartContainer
	}
	return k.pod.Containers[0].Name
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
