package kubelet

import (
	"strings"
	"time"
)

// maxTerminationMessage is how much of the termination log kubelet shows, in
// bytes, counted from its end.
const maxTerminationMessage = 4096

// Report is what Kubernetes would have shown at the end, and the timeline.
type Report struct {
	Pod string `json:"pod"`
	// Phase is the pod's last phase, as its restart policy gives it.
	Phase string `json:"phase"`
	// EverReady says that all containers were ready at the same time once.
	EverReady bool `json:"everReady"`
	// GaveUp says that the rehearsal was ended before the pod was.
	GaveUp     bool              `json:"gaveUp"`
	Containers []ContainerStatus `json:"containers"`
	Events     []Event           `json:"events"`
	Hooks      []HookRun         `json:"hooks"`
	Timeline   []Entry           `json:"timeline"`
}

// ContainerStatus is a container's state: its starts, the last one last.
type ContainerStatus struct {
	Name         string           `json:"name"`
	Sidecar      bool             `json:"sidecar,omitempty"`
	RestartCount int              `json:"restartCount"`
	Starts       []InstanceStatus `json:"starts"`
}

// InstanceStatus is one start of a container and its end.
type InstanceStatus struct {
	StartedAt  float64 `json:"startedAt"`
	FinishedAt float64 `json:"finishedAt"`
	ExitCode   int     `json:"exitCode"`
	Signal     string  `json:"signal,omitempty"`
	Reason     string  `json:"reason"`
	// Message is the termination message, at most 4096 bytes.
	Message string `json:"message,omitempty"`
}

// Last is the container's last start; nil where it was never started.
func (c ContainerStatus) Last() *InstanceStatus {
	if len(c.Starts) == 0 {
		return nil
	}
	return &c.Starts[len(c.Starts)-1]
}

func exitReason(e Exit) string {
	switch {
	case e.OOMKilled:
		return "OOMKilled"
	case e.Code == 0:
		return "Completed"
	}
	return "Error"
}

// setStarted and setReady note what the probes found.
func (k *kubelet) setStarted(inst *instance) {
	k.mu.Lock()
	inst.started = true
	k.mu.Unlock()
	k.poke()
}

func (k *kubelet) started(c *container) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return c.inst != nil && c.inst.started && !c.inst.isDead()
}

func (k *kubelet) setReady(inst *instance, ready bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if inst.ready == ready {
		return
	}
	inst.ready = ready
	what := "not ready"
	if ready {
		what = "ready"
	}
	k.timeline.Add(inst.spec.Name, what, "")
	k.updatePodReady()
}

// updatePodReady runs under mu. A pod that becomes ready, with no restart to
// come, is deleted StopAfter later.
func (k *kubelet) updatePodReady() {
	latest := map[string]*instance{}
	for _, inst := range k.instances {
		latest[inst.spec.Name] = inst
	}
	ready := len(latest) == len(k.containers)
	for _, inst := range latest {
		ready = ready && inst.ready
	}
	if ready == k.podReady {
		return
	}
	k.podReady = ready
	if !ready {
		k.timeline.Add("kubelet", "pod is not ready", "")
		return
	}
	k.everReady = true
	k.timeline.Add("kubelet", "pod is ready", "")
	restartsToCome := k.scenario.RestartAfter > 0 && latest[k.restartTarget()].number <= k.scenario.Restarts
	if !restartsToCome && !k.stopArmed {
		k.stopArmed = true
		time.AfterFunc(k.scenario.StopAfter, func() { k.delete(k.scenario.StopAfter.String() + " after ready") })
	}
}

func (k *kubelet) report(gaveUp bool) Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deleteCalled = true // by a timer that is still on its way: too late
	r := Report{
		Pod: k.pod.Name, EverReady: k.everReady, GaveUp: gaveUp, Phase: k.phase(),
		Events: k.timeline.Events(), Timeline: k.timeline.Entries(), Hooks: k.hookRuns,
	}
	for _, c := range k.containers {
		status := ContainerStatus{Name: c.spec.Name, Sidecar: c.sidecar, RestartCount: max(0, c.starts-1)}
		for _, inst := range k.instances {
			if inst.spec.Name == c.spec.Name {
				status.Starts = append(status.Starts, inst.status())
			}
		}
		r.Containers = append(r.Containers, status)
	}
	return r
}

// status may be called once the instance is dead.
func (i *instance) status() InstanceStatus {
	s := InstanceStatus{
		StartedAt: i.startedAt, FinishedAt: i.finishedAt,
		ExitCode: i.exit.Code, Reason: i.reason, Message: lastBytes(i.exit.TerminationMessage),
	}
	if i.exit.Signal != 0 {
		s.Signal = signalName(i.exit.Signal)
	}
	return s
}

func lastBytes(message string) string {
	if len(message) > maxTerminationMessage {
		message = message[len(message)-maxTerminationMessage:]
	}
	return strings.ToValidUTF8(message, "\uFFFD")
}

// phase is the phase of the dead pod: only the ordinary containers' exit codes
// count. A pod whose containers never started stays Pending.
func (k *kubelet) phase() string {
	phase := "Succeeded"
	for _, c := range k.mains() {
		switch {
		case c.inst == nil:
			return "Pending"
		case c.inst.exit.Code != 0:
			phase = "Failed"
		}
	}
	return phase
}
