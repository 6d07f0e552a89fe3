package prove

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

var gracePeriod = regexp.MustCompile(`(?m)^# terminationGracePeriodSeconds: (\d+)$`)

// The example of a reload is valid, and checks the configuration before it tells nginx.
func TestReloadExample(t *testing.T) {
	text, err := os.ReadFile("../reload/nginx.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse("nginx.yaml", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	reload := cfg.Hooks["reload"]
	if reload == nil || len(reload.Watch) == 0 || len(reload.Steps) != 2 || reload.Steps[1].OnFailure != config.Fail || len(cfg.Warnings) > 0 {
		t.Errorf("the hook is %+v, the warnings are %v", reload, cfg.Warnings)
	}
}

// Each example of a shutdown is valid, has steps, and fits the grace period in its first
// line, with the default margin for the main process.
func TestShutdownExamples(t *testing.T) {
	files, err := filepath.Glob("../shutdown/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"any-server", "nginx", "haproxy", "postgresql", "go-service", "jvm", "celery-worker"} {
		if !slices.Contains(files, "../shutdown/"+name+".yaml") {
			t.Errorf("there is no example for %s", name)
		}
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Parse(file, text, []string{"HOSTNAME=worker-0"})
			if err != nil {
				t.Fatal(err)
			}
			if len(cfg.Hooks[config.Shutdown].Steps) == 0 {
				t.Error("shutdown has no steps")
			}
			seconds := gracePeriod.FindSubmatch(text)
			if seconds == nil {
				t.Fatal("it does not say which terminationGracePeriodSeconds it needs")
			}
			grace, err := time.ParseDuration(string(seconds[1]) + "s")
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range append(cfg.Check(grace, 2*time.Second), cfg.Warnings...) {
				t.Errorf("%v", problem)
			}
		})
	}
}
