package lint

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/podhook/podhook/hooks/config"
)

// stopSignal finds stop signals that podhook run passes on without a shutdown.
func stopSignal(p *pod) (list []finding) {
	for _, c := range p.containers {
		if c.runs() != "run" || !c.knows("PODHOOK_STOP_SIGNALS") {
			continue
		}
		at, name, why := c.at("image"), imageSignal(imageName(c.Image)), "is the usual STOPSIGNAL of this image"
		if c.Lifecycle != nil && c.Lifecycle.StopSignal != nil {
			at, name, why = c.at("lifecycle", "stopSignal"), string(*c.Lifecycle.StopSignal), "is the stop signal"
		}
		if name == "" {
			continue
		}
		sig, err := config.ParseSignal(name)
		if err != nil {
			list = append(list, found(at, name, err.Error()))
			continue
		}
		if !slices.Contains([]syscall.Signal(c.settings.StopSignals), sig) {
			short := strings.TrimPrefix(name, "SIG")
			list = append(list, found(at, "", fmt.Sprintf(
				"%s %s, and podhook gives it to CMD at once, without shutdown: set PODHOOK_STOP_SIGNALS=TERM,INT,%s", name, why, short)))
		}
	}
	return list
}

// imageSignal returns the STOPSIGNAL of a well-known image that is not TERM.
func imageSignal(name string) string {
	switch name {
	case "nginx", "nginx-unprivileged", "openresty":
		return "SIGQUIT"
	case "httpd":
		return "SIGWINCH"
	case "postgres":
		return "SIGINT"
	case "haproxy":
		return "SIGUSR1"
	}
	return ""
}

// stopSignalsInVain is the minor version in which SIGTERM was seen instead of the stopSignal, with
// the gate on (deploy/kubernetes/kubelet.md).
const stopSignalsInVain = 34

// stopSignalIgnored finds stop signals that the API server or kubelet does not take.
func stopSignalIgnored(p *pod) (list []finding) {
	for _, c := range p.containers {
		if c.Lifecycle == nil || c.Lifecycle.StopSignal == nil {
			continue
		}
		at, name := c.at("lifecycle", "stopSignal"), string(*c.Lifecycle.StopSignal)
		switch {
		case p.Spec.OS == nil:
			list = append(list, found(at, name, "the API server refuses it without spec.os: write os: {name: linux} into the pod's spec"))
		case !slices.Contains(p.cluster.gates, "ContainerStopSignals"):
			// The gate is alpha, also in 1.37 (pkg/features/kube_features.go of Kubernetes).
			list = append(list, found(at, name, "the API server drops it without a word unless the gate ContainerStopSignals, which is off by default, is on (--gate ContainerStopSignals): "+
				"set the STOPSIGNAL of the image, or send the signal by a step of shutdown"))
		case p.cluster.minor <= stopSignalsInVain:
			list = append(list, found(at, name, fmt.Sprintf(
				"Kubernetes 1.%d sends SIGTERM all the same: set the STOPSIGNAL of the image, or send the signal by a step of shutdown", p.cluster.minor)))
		}
	}
	return list
}
