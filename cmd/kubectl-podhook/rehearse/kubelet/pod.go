package kubelet

import (
	"slices"
	"syscall"
	"time"
)

// RestartPolicy is a pod's restartPolicy.
type RestartPolicy string

// The restart policies of a Pod.
const (
	RestartAlways    RestartPolicy = "Always"
	RestartOnFailure RestartPolicy = "OnFailure"
	RestartNever     RestartPolicy = "Never"
)

// DefaultTerminationMessagePath is where a container writes its termination message if
// its manifest names no path.
const DefaultTerminationMessagePath = "/dev/termination-log"

// Pod holds the fields of a Pod that its lifecycle depends on.
type Pod struct {
	Name string
	// Sidecars are native sidecars (initContainers with restartPolicy Always),
	// in the order of their start.
	Sidecars []Container
	// Containers are the ordinary containers. There is at least one.
	Containers []Container
	// GracePeriod is terminationGracePeriodSeconds (T), in seconds.
	GracePeriod   int64
	RestartPolicy RestartPolicy
	// HostNetwork pods get no request of a hook that names no host.
	HostNetwork bool
	// ShareProcessNamespace lets the containers see each other's processes.
	ShareProcessNamespace bool
}

// Container is one container of a pod.
type Container struct {
	Name string
	// Image is for runtimes that have images.
	Image string
	// Command is the argv of the first process. It may be empty if the image has one;
	// Args follow it.
	Command, Args []string
	// Env are "KEY=value" entries that are added to the runtime's own.
	Env        []string
	WorkingDir string
	// Ports maps the names of declared ports to their numbers.
	Ports              map[string]int
	PostStart, PreStop *Handler
	Startup, Readiness *Probe
	Liveness           *Probe
	// StopSignal replaces SIGTERM if it is not 0 (STOPSIGNAL of the image, or
	// lifecycle.stopSignal).
	StopSignal syscall.Signal
	// RestartPolicy replaces that of the pod if it is not empty. RestartRules, the first that
	// matches, come before both (KEP-5307).
	RestartPolicy RestartPolicy
	RestartRules  []RestartRule
	// TerminationMessagePath is a file that the runtime reads when the
	// container has died.
	TerminationMessagePath string
}

// Handler is a lifecycle hook: exactly one of its fields is set.
type Handler struct {
	// Exec is the argv of a program to run in the container.
	Exec    []string
	HTTPGet *HTTPGet
	// Sleep is the native sleep action.
	Sleep *time.Duration
}

// HTTPGet is the request of a hook or a probe.
type HTTPGet struct {
	// Host is empty for the pod's own address.
	Host string
	// Port is a number or the name of a declared port.
	Port string
	Path string
	// Scheme is HTTP or HTTPS; empty is HTTP.
	Scheme  string
	Headers []Header
}

// Header is one of a manifest's httpHeaders.
type Header struct{ Name, Value string }

// Probe is a startup, readiness or liveness probe: one of Exec, HTTPGet and
// TCPPort is set.
type Probe struct {
	Exec    []string
	HTTPGet *HTTPGet
	// TCPPort is a number or the name of a declared port.
	TCPPort          string
	InitialDelay     time.Duration
	Period           time.Duration
	Timeout          time.Duration
	FailureThreshold int
	SuccessThreshold int
	// GracePeriod replaces that of the pod, in seconds, if a liveness or startup probe
	// has killed the container. It may be nil.
	GracePeriod *int64
}

// RestartRule is one of a container's restartPolicyRules.
type RestartRule struct {
	Action RestartAction
	// Codes are the exit codes that the rule is for, or with Not those that it is not for.
	Codes []int
	Not   bool
}

// RestartAction is what a RestartRule does.
type RestartAction string

// The actions of Kubernetes 1.37.
const (
	RestartContainer     RestartAction = "Restart"
	RestartAllContainers RestartAction = "RestartAllContainers"
)

// Known reports whether Kubernetes has the action.
func (a RestartAction) Known() bool { return a == RestartContainer || a == RestartAllContainers }

func (r RestartRule) matches(code int) bool { return slices.Contains(r.Codes, code) != r.Not }
