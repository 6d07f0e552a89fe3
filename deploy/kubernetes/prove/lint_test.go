package prove

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/podhook/podhook/cmd/kubectl-podhook/inject"
	"github.com/podhook/podhook/cmd/kubectl-podhook/lint"
)

// linted returns what kubectl podhook lint finds in a manifest.
func linted(t *testing.T, text string) []lint.Finding {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errors bytes.Buffer
	if code := lint.Run(t.Context(), []string{"-f", file, "-o", "json"}, &out, &errors); code == 2 {
		t.Fatalf("lint: %s", errors.String())
	}
	var result struct{ Findings []lint.Finding }
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatal(err)
	}
	return result.Findings
}

// kubectl podhook lint finds nothing in any manifest of this repository.
func TestManifestsAreLintClean(t *testing.T) {
	for source, text := range manifests(t) {
		for _, f := range linted(t, text) {
			t.Errorf("%s: %+v", source, f)
		}
	}
}

// The rule "restricted" of lint agrees with the admission plugin about Pods that break the
// profile in one way.
func TestLintAgreesWithPodSecurity(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	forbidden := 0
	for name, change := range securityChanges() {
		p := restrictedPod()
		change(&p.Spec, &p.Spec.Containers[0])
		text, err := yaml.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &p.ObjectMeta, &p.Spec))
		found := 0
		for _, f := range linted(t, string(text)) {
			if f.Rule == "restricted" {
				found++
			}
		}
		if !result.Allowed {
			forbidden++
		}
		if result.Allowed != (found == 0) {
			t.Errorf("%s: lint has %d findings, and the plugin allows it: %v, %s", name, found, result.Allowed, result.ForbiddenDetail())
		}
	}
	if all := len(securityChanges()); forbidden == 0 || forbidden == all {
		t.Errorf("%d of %d are forbidden", forbidden, all)
	}
}

func restrictedPod() *corev1.Pod {
	yes, no := true, false
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "app", Image: "web", Command: []string{"/podhook", "run", "--", "/web"},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// securityChanges are changes of a restricted Pod, of which some are allowed.
func securityChanges() map[string]func(*corev1.PodSpec, *corev1.Container) {
	yes, no, root, user := true, false, int64(0), int64(1000)
	unmasked := corev1.UnmaskedProcMount
	volume := func(source corev1.VolumeSource) func(*corev1.PodSpec, *corev1.Container) {
		return func(s *corev1.PodSpec, _ *corev1.Container) {
			s.Volumes = []corev1.Volume{{Name: "v", VolumeSource: source}}
		}
	}
	sysctl := func(name string) func(*corev1.PodSpec, *corev1.Container) {
		return func(s *corev1.PodSpec, _ *corev1.Container) {
			s.SecurityContext.Sysctls = []corev1.Sysctl{{Name: name, Value: "1"}}
		}
	}
	return map[string]func(*corev1.PodSpec, *corev1.Container){
		"as it is":            func(*corev1.PodSpec, *corev1.Container) {},
		"no contexts":         func(s *corev1.PodSpec, c *corev1.Container) { s.SecurityContext, c.SecurityContext = nil, nil },
		"hostNetwork":         func(s *corev1.PodSpec, _ *corev1.Container) { s.HostNetwork = true },
		"hostPID":             func(s *corev1.PodSpec, _ *corev1.Container) { s.HostPID = true },
		"hostIPC":             func(s *corev1.PodSpec, _ *corev1.Container) { s.HostIPC = true },
		"shared processes":    func(s *corev1.PodSpec, _ *corev1.Container) { s.ShareProcessNamespace = &yes },
		"privileged":          func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.Privileged = &yes },
		"not privileged":      func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.Privileged = &no },
		"escalation":          func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.AllowPrivilegeEscalation = &yes },
		"escalation not said": func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.AllowPrivilegeEscalation = nil },
		"nothing dropped":     func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.Capabilities = nil },
		"added KILL": func(_ *corev1.PodSpec, c *corev1.Container) {
			c.SecurityContext.Capabilities.Add = []corev1.Capability{"KILL"}
		},
		"added NET_BIND_SERVICE": func(_ *corev1.PodSpec, c *corev1.Container) {
			c.SecurityContext.Capabilities.Add = []corev1.Capability{"NET_BIND_SERVICE"}
		},
		"root pod":              func(s *corev1.PodSpec, _ *corev1.Container) { s.SecurityContext.RunAsUser = &root },
		"root container":        func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.RunAsUser = &root },
		"another user":          func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.RunAsUser = &user },
		"root may be":           func(s *corev1.PodSpec, _ *corev1.Container) { s.SecurityContext.RunAsNonRoot = nil },
		"container may be root": func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.RunAsNonRoot = &no },
		"root of its own users": func(s *corev1.PodSpec, c *corev1.Container) {
			s.HostUsers, c.SecurityContext.RunAsUser, s.SecurityContext.RunAsNonRoot = &no, &root, nil
		},
		"procMount":  func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.ProcMount = &unmasked },
		"no seccomp": func(s *corev1.PodSpec, _ *corev1.Container) { s.SecurityContext.SeccompProfile = nil },
		"seccomp unconfined": func(s *corev1.PodSpec, _ *corev1.Container) {
			s.SecurityContext.SeccompProfile.Type = corev1.SeccompProfileTypeUnconfined
		},
		"container unconfined": func(_ *corev1.PodSpec, c *corev1.Container) {
			c.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
		},
		"apparmor unconfined": func(_ *corev1.PodSpec, c *corev1.Container) {
			c.SecurityContext.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
		},
		"selinux type": func(s *corev1.PodSpec, _ *corev1.Container) {
			s.SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{Type: "spc_t"}
		},
		"selinux container_t": func(s *corev1.PodSpec, _ *corev1.Container) {
			s.SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{Type: "container_t", Level: "s0"}
		},
		"hostPort": func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}}
		},
		"port":             func(_ *corev1.PodSpec, c *corev1.Container) { c.Ports = []corev1.ContainerPort{{ContainerPort: 80}} },
		"hostPath":         volume(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}),
		"nfs":              volume(corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: "a", Path: "/"}}),
		"emptyDir":         volume(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}),
		"image":            volume(corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: "a"}}),
		"a safe sysctl":    sysctl("net.ipv4.ip_unprivileged_port_start"),
		"an unsafe sysctl": sysctl("kernel.msgmax"),
		"host in a probe": func(_ *corev1.PodSpec, c *corev1.Container) {
			c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Host: "10.0.0.1"}}}
		},
		"host of a tcpSocket": func(_ *corev1.PodSpec, c *corev1.Container) {
			c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Host: "10.0.0.1"}}}
		},
		"an unconfined init one": func(s *corev1.PodSpec, _ *corev1.Container) {
			s.InitContainers = []corev1.Container{{Name: "i", Image: "i"}}
		},
	}
}

// The rule looks at pods with podhook alone.
func TestLintLeavesOtherPodsAlone(t *testing.T) {
	p := restrictedPod()
	p.Spec.SecurityContext, p.Spec.Containers[0].Command = nil, nil
	text, err := yaml.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if found := linted(t, strings.TrimSpace(string(text))+"\n"); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// What kubectl podhook inject prints has nothing for lint to find, except that a sidecar's port
// is open until a policy closes it.
func TestInjectedIsLintClean(t *testing.T) {
	for way, flags := range map[string][]string{
		"init": {"--image", "registry.example/podhook:v1"}, "volume": {"--image", "registry.example/podhook:v1"}, "run": nil,
		"sidecar": {"--image", "registry.example/podhook:v1", "--main", "name:web"},
	} {
		var out, errors bytes.Buffer
		if code := inject.Run(t.Context(), append([]string{"-f", "../workload/deployment.yaml", "--way", way}, flags...), &out, &errors); code != 0 {
			t.Errorf("%s: exit code %d: %s", way, code, errors.String())
			continue
		}
		for _, f := range linted(t, out.String()) {
			if way != "sidecar" || f.Rule != "open-hooks" {
				t.Errorf("%s: %+v", way, f)
			}
		}
	}
}
