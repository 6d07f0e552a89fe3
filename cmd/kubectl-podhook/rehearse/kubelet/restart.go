package kubelet

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxBackOff is the longest back-off before a restart.
const maxBackOff = 5 * time.Minute

// restartAllSeconds is the time between SIGTERM and SIGKILL of RestartAllContainers,
// whatever the grace period is (deploy/kubernetes/kubelet.md, "The newest").
const restartAllSeconds = 2

// due reports whether a container must be started now.
func (k *kubelet) due(c *container) bool {
	if c.inst == nil {
		return !time.Now().Before(k.nextStart)
	}
	return c.inst.isDead() && k.willRestart(c) && !time.Now().Before(c.nextStart)
}

// willRestart reports whether a dead container will start again, now or after its
// back-off.
func (k *kubelet) willRestart(c *container) bool {
	return k.policyRestarts(c) && k.mayRestart(c)
}

// mayRestart reports whether the rehearsal has another restart for a container.
func (k *kubelet) mayRestart(c *container) bool {
	return k.scenario.Restarts == Unlimited || c.starts <= k.scenario.Restarts
}

// policyRestarts applies the first restart rule that matches, or the restart policy of the
// container, or that of the pod.
func (k *kubelet) policyRestarts(c *container) bool {
	if c.sidecar || c.spec.ruleFor(c.inst.exit.Code) != "" {
		return true
	}
	policy := c.spec.RestartPolicy
	if policy == "" {
		policy = k.pod.RestartPolicy
	}
	return policy == RestartAlways || policy == RestartOnFailure && c.inst.exit.Code != 0
}

// planRestart sets the time of the next start. The first restart has no back-off; that of
// later ones doubles.
func (k *kubelet) planRestart(c *container) {
	c.nextStart = time.Now()
	if k.isDeleted() || !k.willRestart(c) {
		return
	}
	if k.restartsAll(c) {
		return
	}
	delay := k.pick(k.scenario.Delays.Restart)
	if c.starts > 1 {
		backOff := k.backOff(c.starts - 1)
		delay += backOff
		c.inst.backOff = backOff
		k.timeline.event("Warning", "BackOff", c.spec.Name,
			fmt.Sprintf("Back-off restarting failed container %s in pod %s", c.spec.Name, k.pod.Name))
		k.timeline.Add(c.spec.Name, "waits", fmt.Sprintf("CrashLoopBackOff: back-off %s restarting failed container=%s pod=%s",
			backOff, c.spec.Name, k.pod.Name))
	}
	c.nextStart = c.nextStart.Add(delay)
	time.AfterFunc(delay, k.poke)
}

// restartsAll reports whether all containers restart, because of a rule of this one or of
// another.
func (k *kubelet) restartsAll(c *container) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.restartAll == "" && c.spec.ruleFor(c.inst.exit.Code) == RestartAllContainers {
		k.restartAll = c.spec.Name
	}
	return k.restartAll != ""
}

// backOff returns the back-off before a restart, of which the first has none.
func (k *kubelet) backOff(restart int) time.Duration {
	base := k.scenario.BackOff
	if base == 0 {
		base = 10 * time.Second
	}
	return min(base<<min(restart-1, 10), maxBackOff)
}

// pick returns a random time of the range.
func (k *kubelet) pick(r Range) time.Duration {
	if r.Max <= r.Min {
		return r.Min
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return r.Min + time.Duration(k.random.Int64N(int64(r.Max-r.Min)))
}

// holdNext makes the container after a native sidecar wait.
func (k *kubelet) holdNext() {
	delay := k.pick(k.scenario.Delays.AfterSidecar)
	k.nextStart = time.Now().Add(delay)
	time.AfterFunc(delay, k.poke)
}

// restartAllContainers stops all containers if a rule wants it, and reports whether one
// does: no preStop, SIGTERM to the ordinary containers and then to the sidecars, in the
// reverse order of their start. The loop then starts them anew.
func (k *kubelet) restartAllContainers(ctx context.Context) bool {
	k.mu.Lock()
	who := k.restartAll
	k.mu.Unlock()
	if who == "" {
		return false
	}
	k.timeline.Add("kubelet", "restarts all", fmt.Sprintf("RestartAllContainers, by %s: no preStop, and SIGKILL %d s after SIGTERM", who, restartAllSeconds))
	var mains sync.WaitGroup
	stop := func(c *container) {
		if c.inst != nil && !c.inst.isDead() {
			k.stopHealthProbes(c.inst)
			k.stopContainer(ctx, c.inst, restartAllSeconds)
		}
	}
	for _, c := range k.mains() {
		mains.Go(func() { stop(c) })
	}
	mains.Wait()
	for i := len(k.sidecars()) - 1; i >= 0; i-- {
		stop(k.sidecars()[i])
	}
	if ctx.Err() != nil {
		return true
	}
	for _, c := range k.containers {
		c.inst = nil
	}
	delay := k.pick(k.scenario.Delays.Restart)
	k.nextStart = time.Now().Add(delay)
	time.AfterFunc(delay, k.poke)
	k.mu.Lock()
	k.restartAll = "" // not before: the ends of the others start nothing
	k.mu.Unlock()
	return true
}
