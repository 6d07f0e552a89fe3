package kubelet

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// minStopSeconds is the least time between SIGTERM and SIGKILL.
const minStopSeconds = 2

// signalDelay is the observed time from the answer of a hook to SIGTERM. kubelet notices
// in it that a container is dead that has ended during its hook.
const signalDelay = 13 * time.Millisecond

// afterFailedPostStart is the time from a failed postStart to preStop. A gate that fails
// ends meanwhile, so that its preStop is refused.
const afterFailedPostStart = 20 * time.Millisecond

// stopPod stops all running containers in parallel. Every preStop begins now, each
// SIGTERM follows its own hook, and sidecars wait for their turn.
func (k *kubelet) stopPod(ctx context.Context) {
	running := k.running()
	var mains, sidecars []string
	for _, inst := range running {
		if inst.sidecar {
			sidecars = append(sidecars, inst.spec.Name)
		} else {
			mains = append(mains, inst.spec.Name)
		}
	}
	var order *stopOrder
	if len(sidecars) > 0 {
		order = newStopOrder(mains, sidecars)
	}
	grace := k.lockedGrace()
	var all sync.WaitGroup
	for _, inst := range running {
		all.Go(func() {
			k.killContainer(ctx, inst, "Stopping container "+inst.spec.Name, grace, order)
		})
	}
	all.Wait()
}

// killContainer ends a container as kubelet does: preStop, SIGTERM, SIGKILL. The
// time left for SIGTERM is the grace period (in seconds) minus the whole seconds that
// preStop and the wait for its turn took, and at least 2
// (deploy/kubernetes/kubelet.md, "Grace arithmetic"). It is the same for a DELETE, a
// liveness failure and a failed postStart. After a failed postStart even a container that
// has died gets its preStop. It returns early when ctx is done.
func (k *kubelet) killContainer(ctx context.Context, inst *instance, message string, grace int64, order *stopOrder) {
	k.timeline.event("Normal", "Killing", inst.spec.Name, message)
	k.stopHealthProbes(inst)
	if inst.spec.PreStop != nil && grace > 0 {
		grace -= k.preStop(ctx, inst, grace)
	}
	if order != nil && grace > 0 {
		grace -= order.wait(ctx, inst.spec.Name, grace)
	}
	if ctx.Err() != nil {
		return
	}
	k.stopContainer(ctx, inst, max(grace, minStopSeconds))
	if order != nil {
		order.done(inst.spec.Name)
	}
}

// preStop calls the hook, waits for it at most for the grace period, and returns the
// whole seconds that this took. It does not cancel a hook that takes longer, which fails
// when its connection breaks.
func (k *kubelet) preStop(ctx context.Context, inst *instance, grace int64) int64 {
	k.mu.Lock()
	inst.preStopCalled = true
	k.mu.Unlock()
	start := time.Now()
	done := make(chan struct{})
	k.background.Go(func() {
		defer close(done)
		err := k.runHook(ctx, inst, "preStop", inst.spec.PreStop)
		if err != nil && ctx.Err() == nil {
			k.timeline.event("Warning", "FailedPreStopHook", inst.spec.Name, "PreStopHook failed")
		}
	})
	limit := time.NewTimer(time.Duration(grace) * time.Second)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		k.timeline.Add(inst.spec.Name+"/preStop", "not waited for", "the grace period is over")
	case <-ctx.Done():
	}
	return wholeSeconds(start)
}

// stopContainer sends the stop signal to the first process, and SIGKILL to all that is
// left after the given seconds.
func (k *kubelet) stopContainer(ctx context.Context, inst *instance, seconds int64) {
	select {
	case <-inst.dead:
		return
	case <-time.After(signalDelay):
	}
	sig := inst.spec.StopSignal
	if sig == 0 {
		sig = syscall.SIGTERM
	}
	k.timeline.Add(inst.spec.Name, signalName(sig), fmt.Sprintf("SIGKILL in %d s", seconds))
	k.mu.Lock()
	inst.stopped = true
	k.mu.Unlock()
	if err := inst.process.Signal(sig); err != nil && !inst.isDead() {
		k.timeline.Add(inst.spec.Name, "signal failed", err.Error())
	}
	limit := time.NewTimer(time.Duration(seconds) * time.Second)
	defer limit.Stop()
	select {
	case <-inst.dead:
		return
	case <-ctx.Done():
		return
	case <-limit.C:
	}
	k.timeline.Add(inst.spec.Name, "SIGKILL", "")
	k.mu.Lock()
	inst.killed = true
	k.mu.Unlock()
	if err := inst.process.Kill(); err != nil && !inst.isDead() {
		k.timeline.Add(inst.spec.Name, "kill failed", err.Error())
	}
	select {
	case <-inst.dead:
	case <-ctx.Done():
	}
}

func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}
