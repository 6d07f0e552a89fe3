package lint

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/config"
)

// container is a container and the podhook in it.
type container struct {
	*corev1.Container
	list  string // initContainers or containers
	order int    // of its start

	// uses says that podhook is in the container: as its process, in a hook or a probe, or by
	// its settings.
	uses bool
	// words is the command line of the process after podhook's name, if that is podhook.
	words []string
	// imageDecides says that the manifest names no command, so that the entrypoint of the
	// image, which is not podhook's own, may be podhook run.
	imageDecides bool
	// hasSettings says that the manifest sets variables of podhook.
	hasSettings bool

	// The settings, and the positions of problems that they have.
	settings *settings.Settings
	// unsure holds the variables whose values the input does not have.
	unsure map[string]bool
	// unsureAll says that a ConfigMap or Secret that is not in the input may set more.
	unsureAll bool

	// hooks is nil if they are not in the input.
	hooks *config.Config
	// problems were found while settings and hooks were read.
	problems []finding
}

// runs returns the command of podhook that is the container's process, or "".
func (c *container) runs() string {
	if len(c.words) == 0 {
		return ""
	}
	return c.words[0]
}

// mayRun reports whether the process may be podhook run.
func (c *container) mayRun() bool { return c.runs() == "run" || c.uses && c.imageDecides }

// hasHooks reports whether podhook runs hooks there, instead of only installing itself.
func (c *container) hasHooks() bool { return c.uses && c.runs() != "install" }

func (c *container) isInit() bool { return c.list == "initContainers" }

// isSidecar reports whether it is a native sidecar.
func (c *container) isSidecar() bool {
	return c.isInit() && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// knows reports whether the value of a setting is known.
func (c *container) knows(setting string) bool { return !c.unsureAll && !c.unsure[setting] }

// isSet reports whether the container's env has a variable.
func (c *container) isSet(name string) bool {
	return slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == name })
}

// at is the path of a field of the container in the pod's spec.
func (c *container) at(fields ...string) []string {
	return append([]string{c.list, c.Name}, fields...)
}

// processWords returns the words after podhook's name in the command line of the
// container, or nil.
func processWords(c *corev1.Container) []string {
	switch {
	case len(c.Command) == 0 && isPodhookImage(c.Image):
		return append([]string{}, c.Args...)
	case len(c.Command) > 0 && isPodhook(c.Command[0]):
		return append(append([]string{}, c.Command[1:]...), c.Args...)
	}
	return nil
}

// isPodhook reports whether a program is podhook.
func isPodhook(program string) bool { return path.Base(program) == "podhook" }

// isPodhookImage reports whether an image has podhook as its entrypoint, by its name.
func isPodhookImage(image string) bool { return imageName(image) == "podhook" }

// imageName returns the last part of an image's name, without tag and digest.
func imageName(image string) string {
	name, _, _ := strings.Cut(path.Base(image), "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}

// exec is a command that kubelet starts in a container.
type exec struct {
	where string // such as lifecycle.preStop
	argv  []string
}

// podhookWords returns the words after podhook's name, or nil.
func (e exec) podhookWords() []string {
	if len(e.argv) > 1 && isPodhook(e.argv[0]) {
		return e.argv[1:]
	}
	return nil
}

// mentionsPodhook reports whether the command may start podhook, as by a shell.
func (e exec) mentionsPodhook() bool {
	return slices.ContainsFunc(e.argv, func(word string) bool { return strings.Contains(word, "podhook") })
}

// handlers returns postStart and preStop by their names in lifecycle.
func (c *container) handlers() map[string]*corev1.LifecycleHandler {
	found := map[string]*corev1.LifecycleHandler{}
	if c.Lifecycle == nil {
		return found
	}
	if c.Lifecycle.PostStart != nil {
		found["postStart"] = c.Lifecycle.PostStart
	}
	if c.Lifecycle.PreStop != nil {
		found["preStop"] = c.Lifecycle.PreStop
	}
	return found
}

// probes returns the probes by their names.
func (c *container) probes() map[string]*corev1.Probe {
	found := map[string]*corev1.Probe{}
	for name, probe := range map[string]*corev1.Probe{
		"startupProbe": c.StartupProbe, "readinessProbe": c.ReadinessProbe, "livenessProbe": c.LivenessProbe,
	} {
		if probe != nil {
			found[name] = probe
		}
	}
	return found
}

// execs returns the commands of hooks and probes.
func (c *container) execs() (list []exec) {
	for name, h := range c.handlers() {
		if h.Exec != nil {
			list = append(list, exec{"lifecycle." + name, h.Exec.Command})
		}
	}
	for name, probe := range c.probes() {
		if probe.Exec != nil {
			list = append(list, exec{name, probe.Exec.Command})
		}
	}
	return list
}

// preStopSleep returns how long a preStop only sleeps. That is part of the grace period, and
// podhook does not know of it (deploy/kubernetes/kubelet.md).
func (c *container) preStopSleep() time.Duration {
	h := c.handlers()["preStop"]
	switch {
	case h == nil:
	case h.Sleep != nil:
		return time.Duration(h.Sleep.Seconds) * time.Second
	case h.Exec != nil:
		words := h.Exec.Command
		if after := (exec{argv: words}).podhookWords(); after != nil {
			words = after
		}
		if len(words) == 2 && path.Base(words[0]) == "sleep" {
			return sleepTime(words[1])
		}
	}
	return 0
}

// sleepTime reads 5s of podhook sleep and 5 of sleep(1). Other times are 0.
func sleepTime(text string) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(n) * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

// shutsDown reports whether podhook runs hooks there when the container is stopped.
func (c *container) shutsDown() bool {
	if !c.hasHooks() || c.isInit() && !c.isSidecar() {
		return false
	}
	return c.runs() == "run" || c.runs() == "serve" || c.imageDecides && c.hasSettings || slices.ContainsFunc(c.execs(), func(e exec) bool {
		words := e.podhookWords()
		return words == nil && e.mentionsPodhook() || len(words) > 0 && slices.Contains([]string{config.Prestart, config.Shutdown, "hook"}, words[0])
	})
}
