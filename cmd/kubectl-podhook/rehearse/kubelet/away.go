package kubelet

import (
	"context"
	"time"
)

// comeUp returns the context of all that kubelet does until it goes down.
func (k *kubelet) comeUp(ctx context.Context) context.Context {
	k.mu.Lock()
	defer k.mu.Unlock()
	var up context.Context
	up, k.down = context.WithCancel(ctx)
	k.isDown = false
	return up
}

// goDown is the begin of a restart of kubelet. Its requests and execs break, and nobody
// probes.
func (k *kubelet) goDown() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.restarted {
		return
	}
	k.restarted, k.isDown, k.busy = true, true, ""
	k.timeline.Add("kubelet", "goes down", "its requests and execs break; the containers run on")
	k.down()
}

// restartAfter plans a restart of kubelet, if d is not 0. What it returns forgets it.
func (k *kubelet) restartAfter(d time.Duration) (forget func()) {
	if d == 0 {
		return func() {}
	}
	timer := time.AfterFunc(d, k.goDown)
	return func() { timer.Stop() }
}

// comeBack waits until kubelet is back, and reports whether it has to do with this pod.
// It has forgotten what it did: a preStop is called again with the full grace period, a
// postStart is not (deploy/kubernetes/kubelet.md, "More").
func (k *kubelet) comeBack(ctx context.Context) bool {
	k.mu.Lock()
	isDown := k.isDown
	k.mu.Unlock()
	if !isDown || ctx.Err() != nil || k.isDeleted() && len(k.running()) == 0 {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(k.scenario.KubeletDown):
	}
	k.mu.Lock()
	for _, inst := range k.instances {
		inst.probed, inst.failure = false, nil
	}
	k.mu.Unlock()
	k.timeline.forgetEvents()
	k.timeline.Add("kubelet", "restarts", "after "+k.scenario.KubeletDown.String()+": it has forgotten what it did")
	return true
}
