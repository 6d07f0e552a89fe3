package kubelet

import (
	"context"
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
	nextStart  time.Time      // of the container after a native sidecar

	mu           sync.Mutex
	down         context.CancelFunc // ends what kubelet does
	isDown       bool
	restarted    bool   // kubelet has, as often as the scenario wants it
	busy         string // the hook that holds the loop up
	restartAll   string // the container whose rule restarts all
	stopArmed    bool
	everReady    bool
	podReady     bool
	failed       int       // failures of the scenario so far
	ailing       *instance // the last of them
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
	deletion := time.AfterFunc(scenario.DeleteAt, func() { k.endPod("the latest moment of this rehearsal") })
	defer deletion.Stop()

	for again := true; again; {
		up := k.comeUp(hooks)
		k.stop(up, k.live(up))
		again = k.comeBack(ctx)
	}
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
	k.publish(ctx) // what an earlier kubelet has started
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

// sync does the next thing that is due, and reports whether there was one: it restarts
// all containers, or kills an unhealthy one, or starts the next sidecar, or starts all
// ordinary containers that are due, one after another.
func (k *kubelet) sync(ctx context.Context) bool {
	if k.restartAllContainers(ctx) {
		return true
	}
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
