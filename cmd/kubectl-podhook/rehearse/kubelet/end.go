package kubelet

import (
	"context"
	"fmt"
	"time"
)

// evictionGrace is the grace period of a pod that kubelet evicts at a hard threshold,
// whatever its own is (immediateEvictionGracePeriodSeconds in the source of kubelet).
const evictionGrace = 1

// stop ends the pod, by its DELETE or because it is terminal.
func (k *kubelet) stop(ctx context.Context, terminal bool) {
	if ctx.Err() != nil {
		return
	}
	if terminal {
		k.timeline.Add("kubelet", "pod is terminal", "all ordinary containers have ended for good")
		k.stopPod(ctx)
		return
	}
	k.delete("nothing more happens in this rehearsal")
	defer k.restartAfter(k.scenario.KubeletRestart)()
	k.stopPod(ctx)
}

// endPod is the planned end of the pod.
func (k *kubelet) endPod(why string) {
	if k.scenario.DownAtEnd && !k.isDeleted() {
		k.goDown()
	}
	k.delete(why)
}

// delete is the end of the pod, which is a DELETE if it is not an eviction by kubelet; only
// the first one counts.
func (k *kubelet) delete(why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deleteCalled {
		return
	}
	k.deleteCalled = true
	k.timeline.markDeleted()
	result := fmt.Sprintf("grace period %d s (%s)", k.grace(), why)
	who, what := "api", "DELETE"
	switch {
	case k.scenario.End == EndEviction:
		who, what = "kubelet", "evicts"
		result += ": the node has no memory left; the pod's own grace period is not used"
		k.timeline.event("Warning", "Evicted", "", "The node was low on resource: memory. (rehearsed)")
	case k.scenario.End == EndDrain:
		k.timeline.Add("kubectl drain", "evicts", "by the Eviction API: condition DisruptionTarget, and a DELETE with the pod's grace period")
	case k.scenario.Force:
		result = "--force --grace-period=0: " + result
	}
	if k.busy != "" {
		result += "; nothing comes of it while " + k.busy + " runs"
	} else if k.isDown {
		result += "; nothing comes of it while kubelet is down"
	}
	k.timeline.Add(who, what, result)
	close(k.deleted)
}

// grace returns T in seconds. It is at least 1, which a forced delete gives
// (deploy/kubernetes/kubelet.md, "Grace arithmetic").
func (k *kubelet) grace() int64 {
	switch {
	case k.deleteCalled && k.scenario.End == EndEviction:
		return evictionGrace
	case k.deleteCalled && k.scenario.Force:
		return 1
	}
	return max(1, k.pod.GracePeriod)
}

// planEnd plans the end of a pod that is ready. The caller holds mu.
func (k *kubelet) planEnd() {
	if k.stopArmed || k.failed < k.scenario.failures() || k.ailing != nil && !k.ailing.isDead() {
		return
	}
	k.stopArmed = true
	after := k.scenario.StopAfter
	time.AfterFunc(after, func() { k.endPod(after.String() + " after ready") })
}
