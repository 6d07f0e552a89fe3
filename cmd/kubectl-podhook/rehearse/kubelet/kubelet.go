package kubelet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// kubelet plays the life of one pod. Like the pod worker of kubelet, its loop does one
// thing at a time: a hook that hangs delays everything, even the DELETE
// (deploy/kubernetes/kubelet.md, "postStart").
type kubelet struct {
	pod      Pod
	scenario Scenario
	runtime  Runtime
	timeline *Timeline
	client   *http.Client
	random   *rand.Rand

	containers []*container // sidecars first, in the order of their start
	wake       chan struct{}
	deleted    chan struct{}
	background sync.WaitGroup // hooks that kubelet no longer waits for

	mu           sync.Mutex
	busy         string // the hook that holds the loop up
	stopArmed    bool
	everReady    bool
	podReady     bool
	instances    []*instance
	hookRuns     []HookRun
	deleteCalled bool
}

// container is a container of the pod, with all its restarts.
type container struct {
	spec      Container
	sidecar   bool
	inst      *instance // the last start; nil before the first
	starts    int
	nextStart time.Time
}

// Rehearse plays the life of the pod until every container is dead, and returns what
// Kubernetes would have shown. When ctx is done it gives up and kills everything. It
// never leaves a container behind.
func Rehearse(ctx context.Context, pod Pod, scenario Scenario, runtime Runtime, timeline *Timeline) Report {
	k := &kubelet{
		pod: pod, scenario: scenario, runtime: runtime, timeline: timeline,
		client:  newHookClient(scenario.NodeIP),
		random:  rand.New(rand.NewPCG(scenario.Seed, 0)),
		wake:    make(chan struct{}, 1),
		deleted: make(chan struct{}),
	}
	for _, c := range pod.Sidecars {
		k.containers = append(k.containers, &container{spec: c, sidecar: true})
	}
	for _, c := range pod.Containers {
		k.containers = append(k.containers, &container{spec: c})
	}
	hooks, endHooks := context.WithCancel(ctx)
	defer endHooks()
	deletion := time.AfterFunc(scenario.DeleteAt, func() { k.delete("the latest moment of this rehearsal") })
	defer deletion.Stop()

	terminal := k.live(hooks)
	k.stop(hooks, terminal)
	k.awaitHooks(endHooks)
	gaveUp := ctx.Err() != nil
	if gaveUp {
		timeline.Add("rehearse", "gives up", "everything is killed")
	}
	k.killLeftovers()
	return k.report(gaveUp)
}

// live runs the pod until it is deleted or nothing more can happen, and reports whether
// the pod is terminal by its restart policy.
func (k *kubelet) live(ctx context.Context) (terminal bool) {
	for ctx.Err() == nil {
		select {
		case <-k.deleted:
			return false
		default:
		}
		if k.sync(ctx) {
			k.publish(ctx)
			continue
		}
		if over, terminal := k.over(); over {
			return terminal
		}
		select {
		case <-ctx.Done():
		case <-k.deleted:
		case <-k.wake:
		}
	}
	return false
}

// sync does the next thing that is due, and reports whether there was one: it kills an
// unhealthy container, or starts the next sidecar, or starts all ordinary containers
// that are due, one after another.
func (k *kubelet) sync(ctx context.Context) bool {
	for _, c := range k.containers {
		if failure := k.takeFailure(c); failure != nil {
			k.killContainer(ctx, c.inst, failure.message, failure.grace, nil)
			return true
		}
	}
	for _, c := range k.sidecars() {
		if k.due(c) {
			k.start(ctx, c)
			return true
		}
		if !k.started(c) && !k.mainsBegun() {
			return false
		}
	}
	acted := false
	for _, c := range k.mains() {
		if k.due(c) {
			k.start(ctx, c)
			acted = true
		}
	}
	return acted
}

// due reports whether a container must be started now.
func (k *kubelet) due(c *container) bool {
	if c.inst == nil {
		return true
	}
	return c.inst.isDead() && k.willRestart(c) && !time.Now().Before(c.nextStart)
}

// willRestart reports whether a dead container will start again, now or after its
// back-off.
func (k *kubelet) willRestart(c *container) bool {
	return k.policyRestarts(c) && c.starts <= k.scenario.Restarts
}

func (k *kubelet) policyRestarts(c *container) bool {
	switch {
	case c.sidecar || k.pod.RestartPolicy == RestartAlways:
		return true
	case k.pod.RestartPolicy == RestartOnFailure:
		return c.inst.exit.Code != 0
	}
	return false
}

// over reports whether nothing more can happen: all ordinary containers are dead for
// good, or wait for a sidecar that is. A pod is terminal if its restart policy lets none
// of them start again.
func (k *kubelet) over() (over, terminal bool) {
	terminal = true
	for _, c := range k.mains() {
		if c.inst == nil {
			return k.sidecarLost(), false
		}
		if !c.inst.isDead() || k.willRestart(c) {
			return false, false
		}
		if k.policyRestarts(c) {
			terminal = false
		}
	}
	return true, terminal
}

func (k *kubelet) sidecarLost() bool {
	for _, c := range k.sidecars() {
		if c.inst != nil && c.inst.isDead() && !k.willRestart(c) {
			return true
		}
	}
	return false
}

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
	if k.scenario.KubeletRestart == 0 {
		k.stopPod(ctx)
		return
	}
	first, goAway := context.WithTimeout(ctx, k.scenario.KubeletRestart)
	defer goAway()
	k.stopPod(first)
	if first.Err() == nil || len(k.running()) == 0 || ctx.Err() != nil {
		return
	}
	k.timeline.Add("kubelet", "restarts", "its requests and execs break, and it forgets them: preStop again, with the full grace period")
	k.stopPod(ctx)
}

// delete is the DELETE of the pod; only the first one counts.
func (k *kubelet) delete(why string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deleteCalled {
		return
	}
	k.deleteCalled = true
	k.timeline.markDeleted()
	result := fmt.Sprintf("grace period %d s (%s)", k.grace(), why)
	if k.scenario.Force {
		result = "--force --grace-period=0: " + result
	}
	if k.busy != "" {
		result += "; nothing comes of it while " + k.busy + " runs"
	}
	k.timeline.Add("api", "DELETE", result)
	close(k.deleted)
}

// grace returns T in seconds. It is at least 1, which a forced delete gives
// (deploy/kubernetes/kubelet.md, "Grace arithmetic").
func (k *kubelet) grace() int64 {
	if k.scenario.Force && k.deleteCalled {
		return 1
	}
	return max(1, k.pod.GracePeriod)
}

// awaitHooks waits until requests to a dead container that kubelet does not wait for
// have failed.
func (k *kubelet) awaitHooks(end context.CancelFunc) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.background.Wait()
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		end()
		<-done
	}
}

func (k *kubelet) killLeftovers() {
	for _, inst := range k.running() {
		k.timeline.Add(inst.spec.Name, "SIGKILL", "")
		_ = inst.process.Kill() // Wait tells: it is over when the container is
		<-inst.dead
	}
}

// poke makes the loop look again.
func (k *kubelet) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *kubelet) sidecars() []*container { return k.containers[:len(k.pod.Sidecars)] }
func (k *kubelet) mains() []*container    { return k.containers[len(k.pod.Sidecars):] }

func (k *kubelet) mainsBegun() bool { return k.mains()[0].inst != nil }

// running returns the instances that live.
func (k *kubelet) running() []*instance {
	var alive []*instance
	for _, c := range k.containers {
		if c.inst != nil && !c.inst.isDead() {
			alive = append(alive, c.inst)
		}
	}
	return alive
}
