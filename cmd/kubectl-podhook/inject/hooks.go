package inject

import (
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/hooks/config"
)

// planHooks turns handlers and the probe into hooks.
func (p *podhook) planHooks() error {
	life := handlers(p.container)
	prestart, err := p.stepsOf("lifecycle.postStart", config.Prestart, life.PostStart)
	if err != nil {
		return err
	}
	shutdown, err := p.stepsOf("lifecycle.preStop", config.Shutdown, life.PreStop)
	if err != nil {
		return err
	}
	p.postStart, p.preStop = p.ownHandler(life.PostStart), p.ownHandler(life.PreStop)
	if p.way == wayRun && len(prestart) > 0 && len(p.container.Command) == 0 {
		return p.wrong("lifecycle.postStart", "as prestart of the image's entrypoint it would run before the application, and not beside it: write the container's command, so that podhook can be told")
	}
	if life.PreStop == nil && !p.givenHooks() {
		shutdown = p.defaultShutdown()
	}
	if h := life.PreStop; h != nil && h.Sleep != nil && seconds(h.Sleep.Seconds) >= p.shutdownTimeout() {
		return p.wrong("lifecycle.preStop.sleep", fmt.Sprintf("%d s leave no time of terminationGracePeriodSeconds: write at least %d there",
			h.Sleep.Seconds, h.Sleep.Seconds+int64((shutdownLeaves+time.Second).Seconds())))
	}
	limit := prestartTimeout
	if life.PostStart != nil && life.PostStart.Sleep != nil {
		limit += seconds(life.PostStart.Sleep.Seconds)
	}
	p.hooks.add(config.Prestart, limit, prestart)
	p.hooks.add(config.Shutdown, p.shutdownTimeout(), shutdown)
	p.planProbe()
	return nil
}

// givenHooks reports whether the hooks are not to be made here.
func (p *podhook) givenHooks() bool {
	return p.configured || p.options.config != "" || p.given != ""
}

func (p *podhook) stepsOf(field, hook string, h *corev1.LifecycleHandler) ([]step, error) {
	if h == nil || p.ownHandler(h) {
		return nil, nil
	}
	made, err := p.stepOf(field, h)
	var m *mistake
	if errors.As(err, &m) {
		err = p.wrong(m.field, m.message)
	}
	if made == nil || err != nil {
		return nil, err
	}
	if p.givenHooks() {
		text, err := marshal([]step{*made})
		if err != nil {
			return nil, err
		}
		return nil, p.wrong(field, "podhook would take its place, and the configuration is given: add this to the steps of hooks."+
			hook+" there, and take it out here:\n"+strings.TrimSuffix(text, "\n"))
	}
	return []step{*made}, nil
}

// planProbe decides what becomes of the readiness probe. A sidecar has one of its own, and
// the pod is ready when both are. A Job serves nobody.
func (p *podhook) planProbe() {
	probe := p.container.ReadinessProbe
	switch {
	case p.way == waySidecar, p.document.Kind == "Job", p.document.Kind == "CronJob":
	case probe == nil:
		p.probe = true
	case probe.Exec != nil && isPodhook(probe.Exec.Command),
		probe.HTTPGet != nil && p.ownHandler(&corev1.LifecycleHandler{HTTPGet: probe.HTTPGet}):
	case p.givenHooks():
		p.note("readinessProbe: it stays as it is, because the configuration is given: to let podhook ready take its place, write its condition under ready there")
	default:
		made, why := p.conditionOf(probe)
		if made == nil {
			p.note("readinessProbe: it stays as it is: %s", why)
			return
		}
		p.probe = true
		p.hooks.Ready = append(p.hooks.Ready, *made)
	}
}
