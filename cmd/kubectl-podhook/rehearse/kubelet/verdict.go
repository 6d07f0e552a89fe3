package kubelet

import (
	"fmt"
	"strings"
)

// Finding is one thing that a scenario has done to the pod.
type Finding struct {
	// Kind is Lost, Late or Hidden.
	Kind string `json:"kind"`
	What string `json:"what"`
	// Count is how often it has happened.
	Count int `json:"count"`
}

// The kinds of findings.
const (
	Lost   = "lost"   // was not done, or was broken off
	Late   = "late"   // took longer than a user expects
	Hidden = "hidden" // is shown by no event and no status
)

// The begin of the stop is late so many seconds after the DELETE, and the end of a
// container so many after the grace period.
const (
	lateBegin = 1.0
	lateEnd   = 0.5
)

// verdict judges the rehearsal. The caller holds mu, and all containers are dead.
func (k *kubelet) verdict(r Report) []Finding {
	all := []Finding{}
	add := func(kind, format string, args ...any) {
		what := fmt.Sprintf(format, args...)
		for i := range all {
			if all[i].Kind == kind && all[i].What == what {
				all[i].Count++
				return
			}
		}
		all = append(all, Finding{kind, what, 1})
	}
	k.judgeStop(r, add)
	for i, h := range r.Hooks {
		judgeHook(h, repeated(r.Hooks[i+1:], h), add)
	}
	for i, inst := range k.instances {
		judgeInstance(inst, add)
		k.judgeRestart(inst, k.instances[i+1:], add)
	}
	for _, h := range r.Hooks {
		if h.Failed && !h.BrokenOff && r.Phase == "Succeeded" {
			add(Hidden, "the pod's phase is Succeeded although %s/%s failed", h.Container, h.Hook)
			break
		}
	}
	return all
}

type addFinding func(kind, format string, args ...any)

// repeated reports whether kubelet has called a hook again.
func repeated(later []HookRun, h HookRun) bool {
	for _, l := range later {
		if l.Container == h.Container && l.Hook == h.Hook {
			return true
		}
	}
	return false
}

func judgeHook(h HookRun, again bool, add addFinding) {
	name := h.Container + "/" + h.Hook
	switch {
	case h.BrokenOff && h.Hook == "postStart":
		add(Lost, "%s was broken off after %.1f s and is never repeated: the container goes on as if it had succeeded", name, h.Seconds)
		add(Hidden, "no event tells that %s was broken off", name)
	case h.BrokenOff && again:
		add(Late, "%s was broken off after %.1f s, and called again", name, h.Seconds)
	case h.Failed:
		add(Lost, "%s failed: %s", name, h.Error)
		add(Hidden, "why %s failed: its event names no cause", name)
	case h.Status >= 300:
		add(Hidden, "%s answered %d: kubelet takes it for success, without an event", name, h.Status)
	}
}

func judgeInstance(inst *instance, add addFinding) {
	name := inst.spec.Name
	if inst.process == nil {
		add(Lost, "%s could not be started: %s", name, inst.exit.TerminationMessage)
		return
	}
	switch {
	case inst.exit.OOMKilled:
		add(Lost, "%s was killed without a signal to handle, with all that it was doing", name)
		add(Hidden, "no event of the pod tells of the OOM kill: only the last state has OOMKilled, until the next restart")
	case inst.killed:
		add(Lost, "%s got SIGKILL when its grace period was over, with all that it was doing", name)
	case inst.exit.Signal == 9:
		add(Lost, "%s was killed, with all that it was doing", name)
	}
	if inst.spec.PreStop != nil && !inst.preStopCalled {
		add(Lost, "preStop of %s was never called: %s", name, inst.endedBy())
	}
}

// endedBy says why the container has ended without its preStop.
func (i *instance) endedBy() string {
	if i.stopped {
		return "RestartAllContainers has none"
	}
	return fmt.Sprintf("the container ended by itself (%s, exit code %d)", i.reason, i.exit.Code)
}

// judgeRestart tells how long a container was away.
func (k *kubelet) judgeRestart(inst *instance, later []*instance, add addFinding) {
	for _, next := range later {
		if next.spec.Name != inst.spec.Name {
			continue
		}
		why := ""
		if inst.backOff > 0 {
			why = fmt.Sprintf(" (back-off %s)", inst.backOff)
		}
		add(Late, "%s was away for %.1f s%s", inst.spec.Name, next.startedAt-inst.finishedAt, why)
		if inst.sidecar && !inst.stopped {
			k.judgeMissedPostStarts(inst.spec.Name, add)
		}
		return
	}
	if inst.backOff > 0 {
		add(Lost, "%s did not start again: the pod ended in CrashLoopBackOff (back-off %s)", inst.spec.Name, inst.backOff)
	}
}

// judgeMissedPostStarts names the hooks that are not called again when a sidecar restarts.
func (k *kubelet) judgeMissedPostStarts(sidecar string, add addFinding) {
	for _, c := range k.mains() {
		if c.spec.PostStart != nil {
			add(Hidden, "%s is new, and nobody calls %s/postStart again", sidecar, c.spec.Name)
		}
	}
}

// judgeStop compares the stop with its grace period.
func (k *kubelet) judgeStop(r Report, add addFinding) {
	if !r.EverReady {
		add(Lost, "the pod was never ready")
	}
	begun := -1.0
	for _, e := range r.Timeline {
		if e.SinceDelete == nil {
			continue
		}
		since, grace := *e.SinceDelete, float64(k.grace())
		switch {
		case begun < 0 && strings.HasPrefix(e.Result, "Normal Killing"):
			if begun = since; since > lateBegin {
				add(Late, "the stop began %.1f s after the DELETE", since)
			}
		case e.What == "not waited for":
			add(Lost, "%s did not end within the grace period, and kubelet waited no longer", e.Who)
		case e.What == "ended" && begun >= 0 && since-begun > grace+lateEnd:
			add(Late, "%s ended %.1f s after the begin of the stop, the grace period is %.0f s", e.Who, since-begun, grace)
		}
	}
}
