package monitoring

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/podhook/podhook/internal/testutil"
)

// ruleFile is the part of a rule file that the tests look at.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file ruleFile
	if err := yaml.Unmarshal([]byte(read(t, "rules.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// promtool must find nothing, and say nothing about metrics, which are its input.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	cmd := exec.Command(testutil.NeedProgram(t, "promtool", "prometheus"), args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "FAILED") || input != "" && len(out) > 0 {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRules(t *testing.T) {
	promtool(t, "", "check", "rules", "rules.yaml")
	promtool(t, "", "test", "rules", "rules.test.yaml")
}

// For each alert promtool tests when it fires and when it does not.
func TestAlertsAreTestedBothWays(t *testing.T) {
	var file struct {
		Tests []struct {
			Cases []struct {
				Alert string `yaml:"alertname"`
				Want  []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "rules.test.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Cases {
			fires[c.Alert] = fires[c.Alert] || len(c.Want) > 0
			rests[c.Alert] = rests[c.Alert] || len(c.Want) == 0
		}
	}
	for _, r := range rules(t) {
		if r.Alert != "" && (!fires[r.Alert] || !rests[r.Alert]) {
			t.Errorf("%s is tested to fire: %t, to be at rest: %t", r.Alert, fires[r.Alert], rests[r.Alert])
		}
	}
}

// The manifest has the groups of the rule file, with their comments.
func TestManifestHasTheRules(t *testing.T) {
	const file = "prometheusrule.yaml"
	_, groups, _ := strings.Cut(read(t, "rules.yaml"), "\ngroups:\n")
	head, _, _ := strings.Cut(read(t, file), "  groups:\n")
	want := head + "  groups:\n" + regexp.MustCompile(`(?m)^.`).ReplaceAllString(groups, "  $0")
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, file) != want {
		t.Errorf("%s differs from rules.yaml: go test ./deploy/monitoring -update", file)
	}
	var manifest struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Spec       ruleFile
	}
	if err := yaml.Unmarshal([]byte(want), &manifest); err != nil {
		t.Fatal(err)
	}
	if n := len(manifest.Spec.Groups); n != 2 || manifest.Kind != "PrometheusRule" || manifest.APIVersion != "monitoring.coreos.com/v1" {
		t.Errorf("%s is a %s of %s with %d groups", file, manifest.Kind, manifest.APIVersion, n)
	}
}

// Each alert leads to its own section of the runbook, and the runbook has no other.
func TestRunbook(t *testing.T) {
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(read(t, "runbook.md"), -1) {
		sections[m[1]] = true
	}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if !sections[r.Alert] {
			t.Errorf("runbook.md has no section %s", r.Alert)
		}
		delete(sections, r.Alert)
		const page = "https://github.com/podhook/podhook/blob/main/deploy/monitoring/runbook.md#"
		if url := r.Annotations["runbook_url"]; url != page+strings.ToLower(r.Alert) {
			t.Errorf("%s: the runbook is at %q", r.Alert, url)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || r.Labels["severity"] == "" {
			t.Errorf("%s lacks a summary, a description or a severity", r.Alert)
		}
	}
	for name := range sections {
		t.Errorf("runbook.md has a section %s, which is no alert", name)
	}
}

// The operator, a plain Prometheus and the sidecar have one name for the port of the metrics.
func TestPortHasOneName(t *testing.T) {
	var monitor struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Spec       struct {
			JobLabel  string                        `yaml:"jobLabel"`
			Endpoints []struct{ Port, Path string } `yaml:"podMetricsEndpoints"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "podmonitor.yaml")), &monitor); err != nil {
		t.Fatal(err)
	}
	if monitor.Kind != "PodMonitor" || monitor.APIVersion != "monitoring.coreos.com/v1" || len(monitor.Spec.Endpoints) != 1 {
		t.Fatalf("podmonitor.yaml is %+v", monitor)
	}
	port := monitor.Spec.Endpoints[0].Port
	if sidecar := read(t, "../kubernetes/sidecar/component/patch.yaml"); !strings.Contains(sidecar, "{name: "+port+", containerPort: 8081}") {
		t.Errorf("the sidecar has no port %s", port)
	}
	label := regexp.MustCompile(`\W`).ReplaceAllString(monitor.Spec.JobLabel, "_")
	for _, want := range []string{"port_name], regex: " + port + ",", "pod_label_" + label + "], regex: (.+), target_label: job"} {
		if !strings.Contains(read(t, "prometheus.yml"), want) {
			t.Errorf("prometheus.yml has no %q", want)
		}
	}
}
