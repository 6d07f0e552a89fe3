// Package podhook_test holds what is true of the whole repository.
package podhook_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/podhook/podhook"

// list is `go list` with the product's build: import path and direct imports of
// each package.
func list(t *testing.T, args ...string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-f", `{{.ImportPath}} {{join .Imports " "}}`}, args...)...)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %q: %v\n%s", args, err, stderr.String())
	}
	packages := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		packages[fields[0]] = fields[1:]
	}
	return packages
}

func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// Hooks know neither HTTP nor Prometheus nor who calls them, whatever way it
// would come.
func TestHooksDependOnNoServer(t *testing.T) {
	deps := list(t, "-deps", "./hooks/...")
	if len(deps[module+"/hooks"]) == 0 {
		t.Fatalf("the package hooks is not among %d packages", len(deps))
	}
	banned := []string{
		"net/http", "github.com/prometheus", "github.com/go-chi", "github.com/kelseyhightower/envconfig",
		module + "/agent", module + "/cmd",
	}
	for path, imports := range deps {
		for _, imported := range imports {
			if slices.ContainsFunc(banned, func(root string) bool { return under(imported, root) }) {
				t.Errorf("%s, which hooks need, imports %s", path, imported)
			}
		}
	}
}

// The parts of hooks are put together in hooks alone.
func TestPartsOfHooksAreApart(t *testing.T) {
	parts := []string{module + "/hooks/config", module + "/hooks/process", module + "/hooks/state"}
	for _, part := range parts {
		for path := range list(t, "-deps", part) {
			other := path == module+"/hooks" || slices.Contains(parts, path) && path != part
			if other {
				t.Errorf("%s depends on %s", part, path)
			}
		}
	}
}

// os/exec waits for its children itself and so steals the exit statuses that
// process.Reaper waits for, and the other way round.
func TestProductDoesNotUseOsExec(t *testing.T) {
	deps := list(t, "-deps", "./cmd/podhook")
	if len(deps[module+"/hooks/process"]) == 0 {
		t.Fatalf("the package process is not among the %d that podhook is made of", len(deps))
	}
	for path, imports := range deps {
		if under(path, module) && slices.Contains(imports, "os/exec") {
			t.Errorf("%s imports os/exec", path)
		}
	}
}

// What costs much of the binary's budget (anchors: performance) does not come in
// unseen.
func TestProductLeavesHeavyPackagesOut(t *testing.T) {
	deps := list(t, "-deps", "./cmd/podhook")
	for _, heavy := range []string{"net/http/pprof", "github.com/go-chi/chi/v5/middleware"} {
		if _, ok := deps[heavy]; ok {
			t.Errorf("podhook depends on %s", heavy)
		}
	}
	for path, imports := range deps {
		if under(path, module) && (slices.Contains(imports, "text/template") || slices.Contains(imports, "html/template")) {
			t.Errorf("%s imports a template package", path)
		}
	}
}
