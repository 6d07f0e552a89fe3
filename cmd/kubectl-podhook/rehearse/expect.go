package rehearse

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// expectations are the values of --expect.
type expectations []expectation

type expectation struct {
	text     string
	scenario string                      // in which it is expected; empty for all
	check    func(kubelet.Report) string // empty where it is so
}

const allowedExpectations = "ready, finished, no-failed-hooks, no-sigkill, exit=N, restarts=N or phase=PHASE"

// String and Set make it a flag.
func (e *expectations) String() string { return "" }

func (e *expectations) Set(text string) error {
	x := expectation{text: text}
	condition := text
	if scenario, rest, scoped := strings.Cut(text, ":"); scoped {
		if _, err := findScenario(scenario); err != nil {
			return err
		}
		x.scenario, condition = scenario, rest
	}
	name, value, _ := strings.Cut(condition, "=")
	var err error
	if x.check, err = parseExpectation(name, value); err != nil {
		return err
	}
	*e = append(*e, x)
	return nil
}

func parseExpectation(name, value string) (func(kubelet.Report) string, error) {
	switch name {
	case "ready":
		return func(r kubelet.Report) string { return unless(r.EverReady, "the pod was never ready") }, nil
	case "finished":
		return func(r kubelet.Report) string { return unless(!r.GaveUp, "the rehearsal gave up") }, nil
	case "no-failed-hooks":
		return noFailedHooks, nil
	case "no-sigkill":
		return noSigkill, nil
	case "phase":
		return func(r kubelet.Report) string { return unless(r.Phase == value, "the phase is "+r.Phase) }, nil
	case "exit", "restarts":
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("%s=%s: a number is needed", name, value)
		}
		if name == "exit" {
			return func(r kubelet.Report) string { return exitIs(r, n) }, nil
		}
		return func(r kubelet.Report) string { return restartsAre(r, n) }, nil
	}
	return nil, fmt.Errorf("%q is not known: %s are allowed", name, allowedExpectations)
}

// differences returns what is not as expected in a scenario.
func (e expectations) differences(scenario string, r kubelet.Report) []string {
	var all []string
	for _, x := range e {
		if x.scenario != "" && x.scenario != scenario {
			continue
		}
		if difference := x.check(r); difference != "" {
			all = append(all, x.text+": "+difference)
		}
	}
	return all
}

func unless(ok bool, difference string) string {
	if ok {
		return ""
	}
	return difference
}

func noFailedHooks(r kubelet.Report) string {
	var failed []string
	for _, h := range r.Hooks {
		if h.Failed {
			failed = append(failed, h.Container+"/"+h.Hook+": "+h.Error)
		}
	}
	return strings.Join(failed, "; ")
}

func noSigkill(r kubelet.Report) string {
	for _, e := range r.Timeline {
		if e.What == "SIGKILL" {
			return e.Who + " was killed"
		}
	}
	return ""
}

// firstMain returns the first ordinary container.
func firstMain(r kubelet.Report) kubelet.ContainerStatus {
	for _, c := range r.Containers {
		if !c.Sidecar {
			return c
		}
	}
	return kubelet.ContainerStatus{}
}

func exitIs(r kubelet.Report, code int) string {
	c := firstMain(r)
	last := c.Last()
	if last == nil {
		return c.Name + " was never started"
	}
	return unless(last.ExitCode == code, fmt.Sprintf("%s ended with %d", c.Name, last.ExitCode))
}

func restartsAre(r kubelet.Report, n int) string {
	c := firstMain(r)
	return unless(c.RestartCount == n, fmt.Sprintf("%s was restarted %d times", c.Name, c.RestartCount))
}
