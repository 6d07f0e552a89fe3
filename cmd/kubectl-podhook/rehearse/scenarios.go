package rehearse

import (
	"fmt"
	"strings"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// allScenarios is the name for every scenario, one after another.
const allScenarios = "all"

// scenario is one of --scenario: a name for flags, and for what a well-made pod shows then.
type scenario struct {
	name string
	// happens and seen are for people.
	happens, seen string
	flags         []string
	expect        []string
	// fits returns the container that fails, or empty for the first, and why the scenario
	// cannot be played with the pod, or empty. It may be nil.
	fits func(kubelet.Pod) (container, why string)
}

// scenarios returns all of them, in the order of all.
func scenarios() []scenario {
	clean := []string{"finished", "ready", "no-failed-hooks", "no-sigkill"}
	ready := clean[:2]
	return []scenario{
		{
			name: "delete", expect: clean,
			happens: "`kubectl delete pod`", seen: "preStop, SIGTERM and the end, within the grace period",
		},
		{
			name: "stop-signal", expect: clean, fits: hasStopSignal,
			happens: "the same, for a pod with `lifecycle.stopSignal` (Kubernetes 1.37; older ones keep the field and send SIGTERM)",
			seen:    "the stop signal after preStop, and no SIGTERM",
		},
		{
			name: "force-delete", flags: []string{"--force-delete"}, expect: ready,
			happens: "`kubectl delete pod --force --grace-period=0`", seen: "preStop has 1 s, SIGKILL comes 2 s after SIGTERM",
		},
		{
			name: "drain", flags: []string{"--end", "drain"}, expect: clean,
			happens: "`kubectl drain` of the node", seen: "the Eviction API deletes the pod with its own grace period",
		},
		{
			name: "eviction", flags: []string{"--end", "eviction"}, expect: ready,
			happens: "the node has no memory left, and kubelet evicts the pod", seen: "`Evicted`; preStop has 1 s whatever the grace period is; the phase is Failed",
		},
		{
			name: "liveness", flags: []string{"--restart-after", "1s"}, expect: clean,
			happens: "a liveness probe fails", seen: "preStop although the pod stays, a restart after 0.4 to 1 s, postStart again",
		},
		{
			name: "oom", flags: []string{"--restart-after", "1s", "--fail", "oom"}, expect: clean,
			happens: "the kernel kills the container, because memory has run out", seen: "no preStop and no event; `OOMKilled` in the last state; a restart",
		},
		{
			name: "crash-loop", flags: []string{"--restart-after", "1s", "--fail", "kill", "--restarts", "2"}, expect: ready,
			happens: "the container is killed twice", seen: "no preStop; the second restart has a back-off of 10 s (`BackOff`, CrashLoopBackOff)",
		},
		{
			name: "sidecar-killed", flags: []string{"--restart-after", "1s", "--fail", "kill"}, expect: clean, fits: hasSidecar,
			happens: "the first native sidecar is killed", seen: "it is restarted; nobody calls the main container's postStart again",
		},
		{
			name: "kubelet-restart", flags: []string{"--kubelet-restart-during-prestop", "200ms"}, expect: []string{"finished", "ready", "no-sigkill"}, fits: hasPreStop,
			happens: "kubelet restarts (1.5 s) 0.2 s after the DELETE", seen: "preStop breaks and is called again with the full grace period; two `Killing` events",
		},
		{
			name: "kubelet-restart-poststart", flags: []string{"--kubelet-restart-during-poststart", "50ms"}, expect: clean[:1], fits: hasPostStart,
			happens: "kubelet restarts 0.05 s after the begin of postStart", seen: "postStart breaks and is never repeated, without an event; the container goes on",
		},
		{
			name: "kubelet-down", flags: []string{"--kubelet-restart-before-end", "--kubelet-down", "10s"}, expect: clean,
			happens: "kubelet is down for 10 s when the pod is deleted", seen: "nothing for 10 s, then preStop with the full grace period",
		},
		{
			name: "restart-rule", flags: []string{"--restart-after", "1s", "--fail", "restart-rule"}, expect: clean, fits: hasRule(kubelet.RestartContainer),
			happens: "the container exits with a code of its `restartPolicyRules` (KEP-5307)", seen: "a restart whatever `restartPolicy` says, without preStop",
		},
		{
			name: "restart-all", flags: []string{"--restart-after", "1s", "--fail", "restart-all-rule"}, expect: ready, fits: hasRule(kubelet.RestartAllContainers),
			happens: "the same with the action RestartAllContainers (Kubernetes 1.37)", seen: "no preStop at all; SIGTERM to main, then to the sidecars, SIGKILL after 2 s; all start anew, with postStart",
		},
	}
}

func scenarioNames() string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

func findScenario(name string) (scenario, error) {
	for _, s := range scenarios() {
		if s.name == name {
			return s, nil
		}
	}
	return scenario{}, fmt.Errorf("--scenario %s: %s or %s are allowed", name, scenarioNames(), allScenarios)
}

// args returns the flags that play the scenario.
func (s scenario) args() []string {
	args := append([]string{"--scenario", s.name}, s.flags...)
	for _, e := range s.expect {
		args = append(args, "--expect", e)
	}
	return args
}

// suit chooses the container that fails, and returns why the scenario cannot be played
// with the pod.
func (s scenario) suit(pod kubelet.Pod, to *kubelet.Scenario) (why string) {
	if s.fits == nil {
		return ""
	}
	container, why := s.fits(pod)
	if to.RestartContainer == "" {
		to.RestartContainer = container
	}
	return why
}

func hasSidecar(pod kubelet.Pod) (string, string) {
	if len(pod.Sidecars) == 0 {
		return "", "the pod has no native sidecar"
	}
	return pod.Sidecars[0].Name, ""
}

func hasRule(action kubelet.RestartAction) func(kubelet.Pod) (string, string) {
	return func(pod kubelet.Pod) (string, string) {
		for _, c := range pod.Containers {
			if _, ok := c.RuleCode(action); ok {
				return c.Name, ""
			}
		}
		return "", "no container has restartPolicyRules with the action " + string(action)
	}
}

func hasPreStop(pod kubelet.Pod) (string, string) {
	return anyHas(pod, "preStop", func(c kubelet.Container) bool { return c.PreStop != nil })
}

func hasPostStart(pod kubelet.Pod) (string, string) {
	return anyHas(pod, "postStart", func(c kubelet.Container) bool { return c.PostStart != nil })
}

func hasStopSignal(pod kubelet.Pod) (string, string) {
	return anyHas(pod, "stopSignal", func(c kubelet.Container) bool { return c.StopSignal != 0 })
}

func anyHas(pod kubelet.Pod, field string, has func(kubelet.Container) bool) (string, string) {
	for _, c := range everyContainer(pod) {
		if has(c) {
			return "", ""
		}
	}
	return "", "no container has a " + field
}
