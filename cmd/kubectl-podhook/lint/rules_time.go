package lint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/hooks/config"
)

// leftByKubelet is what kubelet leaves after a preStop that has used up the grace period
// (deploy/kubernetes/kubelet.md, grace arithmetic).
const leftByKubelet = 2 * time.Second

// available returns the grace period that podhook in the container has, and the sum that it
// is made of. What kubelet sleeps before the stop signal is part of the pod's.
func (p *pod) available(c *container) (left time.Duration, sum string) {
	left = time.Duration(p.grace()) * time.Second
	sum = fmt.Sprintf("terminationGracePeriodSeconds %d", p.grace())
	if sleep := c.preStopSleep(); sleep > 0 {
		left = max(left-sleep, leftByKubelet)
		sum += fmt.Sprintf(" - %s of the preStop sleep", seconds(sleep))
	}
	return left, sum
}

func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int64(d/time.Second)) }

// gracePeriod finds a PODHOOK_GRACE_PERIOD after which the container has been killed.
func gracePeriod(p *pod) (list []finding) {
	for _, c := range p.containers {
		if !c.shutsDown() || !c.knows("PODHOOK_GRACE_PERIOD") {
			continue
		}
		set := c.given("PODHOOK_GRACE_PERIOD", c.settings.GracePeriod.String())
		if left, sum := p.available(c); c.settings.GracePeriod > left {
			list = append(list, found(c.at("env", "PODHOOK_GRACE_PERIOD"), "", fmt.Sprintf(
				"%s, and kubelet kills the container after %s (%s): %s", set, seconds(left), sum, c.remedy(left))))
		}
		for name, probe := range c.probes() {
			if own := probe.TerminationGracePeriodSeconds; own != nil && c.settings.GracePeriod > time.Duration(*own)*time.Second {
				list = append(list, found(c.at(name, "terminationGracePeriodSeconds"), fmt.Sprint(*own), fmt.Sprintf(
					"when this probe fails, kubelet kills the container after that time, and %s: write the same, or leave it out", set)))
			}
		}
	}
	return list
}

// remedy says what to write where podhook has so much time: it starts only with more than
// its margin.
func (c *container) remedy(left time.Duration) string {
	if margin := c.settings.GraceMargin; left <= margin {
		return fmt.Sprintf("podhook needs more than PODHOOK_GRACE_MARGIN (%s): set a longer terminationGracePeriodSeconds, or a shorter preStop sleep", margin)
	}
	return "write " + seconds(left)
}

// gracePeriodShort finds a PODHOOK_GRACE_PERIOD that leaves a part of the grace period
// unused.
func gracePeriodShort(p *pod) (list []finding) {
	for _, c := range p.containers {
		if !c.shutsDown() || !c.knows("PODHOOK_GRACE_PERIOD") {
			continue
		}
		if left, sum := p.available(c); c.settings.GracePeriod < left {
			list = append(list, found(c.at("env", "PODHOOK_GRACE_PERIOD"), "", fmt.Sprintf(
				"%s, so podhook ends hooks and kills the main process before kubelet does, after %s (%s): write %s",
				c.given("PODHOOK_GRACE_PERIOD", c.settings.GracePeriod.String()), seconds(left), sum, seconds(left))))
		}
	}
	return list
}

// graceBudget finds a shutdown that can take longer than the grace period, and a preStop
// that sleeps until its end.
func graceBudget(p *pod) (list []finding) {
	for _, c := range p.containers {
		if sleep := c.preStopSleep(); sleep > 0 && sleep >= time.Duration(p.grace())*time.Second {
			list = append(list, found(c.at("lifecycle", "preStop"), seconds(sleep), fmt.Sprintf(
				"uses up the grace period of %ds, and kubelet kills the container 2 s after the stop signal: sleep less, or set terminationGracePeriodSeconds", p.grace())))
			continue
		}
		if c.hooks == nil || !c.shutsDown() {
			continue
		}
		left, sum := p.available(c)
		margin := min(c.settings.GraceMargin, left)
		without := c.hooks.Check(0, margin)
		for _, problem := range c.hooks.Check(left, margin) {
			if !slices.Contains(without, problem) {
				problem.Msg += "; the grace period is " + sum
				list = append(list, finding{problem: problem})
			}
		}
	}
	return list
}

// hookBudget finds hooks whose steps can take longer than the hook may.
func hookBudget(p *pod) (list []finding) {
	for _, c := range p.containers {
		if c.hooks != nil {
			for _, problem := range c.hooks.Check(0, 0) {
				list = append(list, finding{problem: problem})
			}
		}
	}
	return list
}

// The defaults of a probe.
const (
	defaultPeriod    = 10
	defaultThreshold = 3
)

// readinessLate finds readiness probes that notice the begin of shutdown only when the drain
// is over.
func readinessLate(p *pod) (list []finding) {
	for _, c := range p.containers {
		probe := c.ReadinessProbe
		if probe == nil {
			continue
		}
		asked := p.askedByReadiness(c, probe)
		if asked == nil || asked.hooks == nil || !asked.settings.UnreadyOnShutdown {
			continue
		}
		drain := drainOf(asked.hooks.Hooks[config.Shutdown])
		threshold, period := probe.FailureThreshold, probe.PeriodSeconds
		if threshold == 0 {
			threshold = defaultThreshold
		}
		if period == 0 {
			period = defaultPeriod
		}
		withdrawn := time.Duration(threshold*period) * time.Second
		if drain > 0 && withdrawn > drain {
			list = append(list, found(c.at("readinessProbe"), "", fmt.Sprintf(
				"withdraws the pod up to %s after shutdown begins (failureThreshold %d x periodSeconds %d), and shutdown drains for %s: write failureThreshold: 1 and a shorter periodSeconds",
				seconds(withdrawn), threshold, period, drain)))
		}
	}
	return list
}

// askedByReadiness returns the container whose podhook answers a readiness probe, or nil.
func (p *pod) askedByReadiness(c *container, probe *corev1.Probe) *container {
	if probe.Exec != nil {
		words := exec{argv: probe.Exec.Command}.podhookWords()
		if len(words) > 0 && words[0] == "ready" {
			return c
		}
		return nil
	}
	for _, k := range p.calls() {
		if k.c == c && k.where == "readinessProbe" && k.path() == "/readyz" {
			if l, ours := p.listener(k); ours {
				return l.c
			}
		}
	}
	return nil
}

// drainOf returns how long a hook sleeps before it stops the main process. It is 0 if the hook
// waits for quiet.
func drainOf(h *config.Hook) (drain time.Duration) {
	for _, s := range h.Steps {
		switch a := s.Action.(type) {
		case config.Sleep:
			drain += a.Duration
		case config.Wait:
			if _, ok := a.For.(config.Quiet); ok {
				return 0 // it waits until the pod is withdrawn, however late that is
			}
		case config.Signal:
			return drain
		}
	}
	return drain
}

// hookUncalled finds hooks with steps that nothing ever calls.
func hookUncalled(p *pod) (list []finding) {
	for _, c := range p.containers {
		if c.hooks == nil || c.mayRun() || c.isInit() && !c.isSidecar() {
			continue
		}
		for hook, handler := range map[string]string{config.Prestart: "postStart", config.Shutdown: "preStop"} {
			h := c.hooks.Hooks[hook]
			if len(h.Steps) == 0 || p.isCalled(c, h) {
				continue
			}
			msg := fmt.Sprintf("nothing calls the hook %s: write a %s that does", hook, handler)
			if hook == config.Shutdown && c.isSidecar() && c.runs() == "serve" {
				msg = "nothing calls the hook shutdown before the main containers are dead: write a preStop that does into the main container"
			}
			list = append(list, found(c.at("lifecycle"), "", msg))
		}
		if len(c.hooks.Hooks[config.Poststop].Steps) > 0 {
			list = append(list, found(c.at("command"), "", "nothing calls the hook poststop: only podhook run, as the entrypoint, does"))
		}
	}
	return list
}

// isCalled reports whether a hook of the container is called by kubelet, or may be.
func (p *pod) isCalled(c *container, h *config.Hook) bool {
	for _, e := range c.execs() {
		words := e.podhookWords()
		switch {
		case words == nil && e.mentionsPodhook(), len(words) > 0 && words[0] == h.Name, len(words) > 1 && words[0] == "hook" && words[1] == h.Name:
			return true
		}
	}
	return slices.ContainsFunc(p.hookCalls(), func(k call) bool {
		l, ours := p.listener(k)
		name, _ := strings.CutPrefix(k.path(), "/hooks/")
		return ours && l.c == c && (strings.TrimPrefix(name, "/") == h.Name || slices.Contains(h.Paths, k.path()))
	})
}
