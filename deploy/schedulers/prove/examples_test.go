// Package prove checks the examples for other schedulers than Kubernetes by their own
// types and parsers, and the hooks in them by podhook's.
package prove

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/podhook/podhook/hooks/config"
)

// proveHooks checks the hooks of an example against the time that its scheduler gives.
func proveHooks(t *testing.T, env map[string]string, grace time.Duration) {
	t.Helper()
	if given, err := time.ParseDuration(env["PODHOOK_GRACE_PERIOD"]); err != nil || given != grace {
		t.Errorf("PODHOOK_GRACE_PERIOD is %s (%v), and the scheduler waits %v", env["PODHOOK_GRACE_PERIOD"], err, grace)
	}
	cfg, err := config.Parse("example", []byte(env["PODHOOK_CONFIG_YAML"]), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Ready) != 1 || len(cfg.Hooks[config.Shutdown].Steps) == 0 {
		t.Errorf("got %+v", cfg)
	}
	for _, p := range slices.Concat(cfg.Warnings, cfg.Hopeless(), cfg.Check(grace, 2*time.Second)) {
		t.Error(p)
	}
}

// The task definition has only fields that ECS knows.
func TestECS(t *testing.T) {
	file, err := os.Open("../ecs-task-definition.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var task ecs.RegisterTaskDefinitionInput
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&task); err != nil {
		t.Fatal(err)
	}
	c := task.ContainerDefinitions[0]
	if got := c.HealthCheck.Command; !slices.Equal(got, []string{"CMD", "/podhook", "ready"}) {
		t.Errorf("the health check is %q", got)
	}
	env := map[string]string{}
	for _, pair := range c.Environment {
		env[*pair.Name] = *pair.Value
	}
	proveHooks(t, env, time.Duration(*c.StopTimeout)*time.Second)
}

// The fields of a Nomad job that the example uses.
type (
	nomadFile struct {
		Jobs []struct {
			Name        string   `hcl:"name,label"`
			Datacenters []string `hcl:"datacenters"`
			Groups      []struct {
				Name          string      `hcl:"name,label"`
				Network       hcl.Body    `hcl:",remain"`
				ShutdownDelay string      `hcl:"shutdown_delay"`
				Tasks         []nomadTask `hcl:"task,block"`
			} `hcl:"group,block"`
		} `hcl:"job,block"`
	}
	nomadTask struct {
		Name        string `hcl:"name,label"`
		Driver      string `hcl:"driver"`
		KillSignal  string `hcl:"kill_signal"`
		KillTimeout string `hcl:"kill_timeout"`
		Config      struct {
			Image        string   `hcl:"image"`
			Ports        []string `hcl:"ports"`
			HealthChecks struct {
				Disable bool `hcl:"disable"`
			} `hcl:"healthchecks,block"`
		} `hcl:"config,block"`
		Env struct {
			Variables hcl.Attributes `hcl:",remain"`
		} `hcl:"env,block"`
	}
)

func TestNomad(t *testing.T) {
	file, problems := hclparse.NewParser().ParseHCLFile("../nomad.hcl")
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	var parsed nomadFile
	if problems := gohcl.DecodeBody(file.Body, nil, &parsed); problems.HasErrors() {
		t.Fatal(problems)
	}
	task := parsed.Jobs[0].Groups[0].Tasks[0]
	if task.KillSignal != "SIGTERM" || task.Driver != "docker" {
		t.Errorf("got %+v", task)
	}
	grace, err := time.ParseDuration(task.KillTimeout)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for name, attribute := range task.Env.Variables {
		value, problems := attribute.Expr.Value(nil)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		env[name] = value.AsString()
	}
	proveHooks(t, env, grace)
}
