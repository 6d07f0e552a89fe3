package kubelet

import "strings"

// maxTerminationMessage is how many bytes of the end of the termination log kubelet
// shows.
const maxTerminationMessage = 4096

// Report is the timeline, and what Kubernetes would have shown at the end.
type Report struct {
	Pod string `json:"pod"`
	// Phase is the last phase of the pod.
	Phase string `json:"phase"`
	// EverReady says that all containers have been ready at the same time.
	EverReady bool `json:"everReady"`
	// GaveUp says that the rehearsal ended before the pod.
	GaveUp     bool              `json:"gaveUp"`
	Containers []ContainerStatus `json:"containers"`
	Events     []Event           `json:"events"`
	Hooks      []HookRun         `json:"hooks"`
	// Verdict is what was lost, late or hidden.
	Verdict  []Finding `json:"verdict"`
	Timeline []Entry   `json:"timeline"`
}

// ContainerStatus holds the starts of a container, in order.
type ContainerStatus struct {
	Name         string `json:"name"`
	Sidecar      bool   `json:"sidecar,omitempty"`
	RestartCount int    `json:"restartCount"`
	// Waiting is CrashLoopBackOff if the pod ended before the next start.
	Waiting string           `json:"waiting,omitempty"`
	Starts  []InstanceStatus `json:"starts"`
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

// Last returns the last start of the container, or nil.
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

// setStarted and setReady record the results of probes.
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

// updatePodReady plans the end of the pod when it becomes ready and no failure will come.
// The caller holds mu.
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
	k.planEnd()
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
		if c.inst != nil && c.inst.backOff > 0 {
			status.Waiting = "CrashLoopBackOff"
		}
		r.Containers = append(r.Containers, status)
	}
	r.Verdict = k.verdict(r)
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

// phase returns the phase of the dead pod, by the exit codes of its ordinary containers.
// A pod whose containers never started stays Pending.
func (k *kubelet) phase() string {
	phase := "Succeeded"
	if k.isDeleted() && k.scenario.End == EndEviction {
		return "Failed"
	}
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
