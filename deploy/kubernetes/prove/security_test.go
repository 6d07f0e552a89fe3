package prove

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Every manifest satisfies Pod Security "restricted" by the checks of the admission plugin,
// and has a read-only root, which the plugin does not require. The plugin allows the shared
// PID namespace of the sidecar; the component says why it needs that.
func TestRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	everyPod(t, func(t *testing.T, p pod) {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &p.meta, &p.spec))
		if !result.Allowed {
			t.Errorf("restricted: %s", result.ForbiddenDetail())
		}
		for _, c := range p.containers() {
			if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
				t.Errorf("container %s: its root is not read-only", c.Name)
			}
		}
		if shares := p.spec.ShareProcessNamespace; shares != nil && *shares && !hasSidecar(p.spec) {
			t.Error("it shares its processes and has no sidecar that needs them")
		}
	})
}

func hasSidecar(spec corev1.PodSpec) bool {
	for _, c := range spec.InitContainers {
		if isSidecar(c) {
			return true
		}
	}
	return false
}

func isSidecar(c corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// The checks refuse bad manifests.
func TestRestrictedRefuses(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, p := range pods(t) {
		p.spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
		if policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &p.meta, &p.spec)).Allowed {
			t.Errorf("%s: allowed with privilege escalation", p.source)
		}
	}
}
