package policy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
)

// podhook itself accepts the environment and the inline configuration of each example, and
// of the one in the README.
func TestPodhookAcceptsWhatIsInjected(t *testing.T) {
	check := checker(t)
	s := newServer(t, policies(t, imageVolume)...)
	everyExample(t, func(t *testing.T, e example) { check(t, s.mustCreate(t, e.created)) })

	_, metadata, found := strings.Cut(read(t, "../README.md"), "```yaml\nmetadata:\n  labels:\n")
	metadata, _, _ = strings.Cut(metadata, "```")
	if !found {
		t.Fatal("README.md has no example that begins with the metadata")
	}
	stored := s.mustCreate(t, labelledPod(t, "  labels: {podhook.dev/inject: \"true\"}\n  annotations: {app: web}\n", "  labels:\n"+metadata))
	if grace := *stored.Spec.TerminationGracePeriodSeconds; grace != 60 {
		t.Errorf("the example of README.md gets the grace period %d", grace)
	}
	check(t, stored)
}

// checker builds podhook, and returns what calls `podhook check` for an injected Pod.
func checker(t *testing.T) func(*testing.T, *corev1.Pod) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "podhook")
	build := exec.Command("go", "build", "-o", binary, "./cmd/podhook")
	build.Dir = "../../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return func(t *testing.T, pod *corev1.Pod) {
		t.Helper()
		config := pod.Annotations["podhook.dev/config"]
		if !strings.Contains(config, ":") { // a ConfigMap's name, or none
			config = "hooks: {}"
		}
		file := filepath.Join(t.TempDir(), "podhook.yaml")
		if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		check := exec.Command(binary, "check", "--syntax", "--config", file)
		for _, v := range target(pod).Env {
			check.Env = append(check.Env, v.Name+"="+v.Value)
		}
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("podhook check: %v\n%s", err, out)
		}
	}
}

// The table of the README has the annotations that the policy knows.
func TestReadmeHasEveryAnnotation(t *testing.T) {
	for _, object := range policies(t, imageVolume) {
		policy, is := object.(*admissionregistrationv1.ValidatingAdmissionPolicy)
		if !is {
			continue
		}
		row := regexp.MustCompile("(?m)^\\| `(podhook\\.dev/[a-z]+)` \\|")
		var table []string
		for _, m := range row.FindAllStringSubmatch(read(t, "../README.md"), -1) {
			table = append(table, strconv.Quote(m[1]))
		}
		want := "[" + strings.Join(table, ", ") + "]"
		if !slices.ContainsFunc(policy.Spec.Variables, func(v admissionregistrationv1.Variable) bool {
			return v.Name == "known" && strings.TrimSpace(v.Expression) == want
		}) {
			t.Errorf("the README has the annotations %s", want)
		}
	}
}
