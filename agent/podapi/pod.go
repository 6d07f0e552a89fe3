package podapi

import (
	"strings"
	"time"

	"github.com/podhook/podhook/hooks/state"
)

// Pod is what podhook reads of a Pod (k8s.io/api/core/v1).
type Pod struct {
	Metadata struct {
		DeletionTimestamp *time.Time `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds"`
		RestartPolicy         string `json:"restartPolicy"`
	} `json:"spec"`
	Status struct {
		StartTime         *time.Time  `json:"startTime"`
		Reason            string      `json:"reason"`
		Conditions        []Condition `json:"conditions"`
		ContainerStatuses []Container `json:"containerStatuses"`
	} `json:"status"`
}

// Condition is a condition of a Pod.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Container is the state of a container. Native sidecars are not among those of a Pod.
type Container struct {
	State struct {
		Terminated *struct {
			ExitCode int32 `json:"exitCode"`
		} `json:"terminated"`
	} `json:"state"`
}

// StopReason returns why a container of the Pod is stopped now.
//
// The API tells nothing of a container that is restarted, so that is what it is if nothing
// else is known. kubelet's own evictions look the same: kubelet sends status.reason and its
// DisruptionTarget only when all containers have ended (mergePodStatus in
// pkg/kubelet/status).
func (p *Pod) StopReason(now time.Time) state.StopReason {
	if reason := p.disruption(); reason != "" {
		return reason
	}
	switch {
	case p.Metadata.DeletionTimestamp != nil:
		return state.StopDeleted
	case p.pastDeadline(now):
		return state.StopDeadline
	}
	return p.ended()
}

// disruption returns the stop reason that DisruptionTarget or status.reason says, or "".
func (p *Pod) disruption() state.StopReason {
	for _, c := range p.Status.Conditions {
		// A disruption that was called off leaves its condition for a while.
		if c.Type != "DisruptionTarget" || c.Status != "True" || p.Metadata.DeletionTimestamp == nil && c.Reason != "TerminationByKubelet" {
			continue
		}
		switch c.Reason {
		case "EvictionByEvictionAPI", "DeletionByTaintManager":
			return state.StopEvicted
		case "PreemptionByScheduler":
			return state.StopPreempted
		case "DeletionByPodGC": // the node is gone, or out of service
			return state.StopNodeShutdown
		case "TerminationByKubelet":
			return byKubelet(p.Status.Reason, c.Message)
		}
	}
	if p.Status.Reason != "" && p.Metadata.DeletionTimestamp == nil {
		return byKubelet(p.Status.Reason, "")
	}
	return ""
}

// byKubelet tells kubelet's reasons apart. All of them have the same DisruptionTarget.
func byKubelet(reason, message string) state.StopReason {
	switch {
	case reason == "DeadlineExceeded":
		return state.StopDeadline
	case reason == "Terminated", reason == "NodeShutdown", strings.Contains(message, "node shutdown"):
		return state.StopNodeShutdown
	case reason == "Preempting", strings.Contains(message, "Preempted"):
		return state.StopPreempted
	case reason == "Evicted", message != "":
		return state.StopEvicted
	}
	return ""
}

// pastDeadline reports whether kubelet ends the Pod for its activeDeadlineSeconds. kubelet
// counts from startTime, which is cut to a second, by the clock of this node.
func (p *Pod) pastDeadline(now time.Time) bool {
	seconds, start := p.Spec.ActiveDeadlineSeconds, p.Status.StartTime
	return seconds != nil && start != nil && now.Sub(*start) >= time.Duration(*seconds)*time.Second
}

// ended returns why kubelet stops a native sidecar, if all other containers have ended for
// good, and else that it restarts this container.
func (p *Pod) ended() state.StopReason {
	all := p.Status.ContainerStatuses
	if len(all) == 0 || p.Spec.RestartPolicy == "Always" {
		return state.StopLiveness
	}
	reason := state.StopCompleted
	for _, c := range all {
		switch {
		case c.State.Terminated == nil:
			return state.StopLiveness
		case c.State.Terminated.ExitCode != 0:
			reason = state.StopMainExited
		}
	}
	return reason
}
