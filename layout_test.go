// Package podhook_test holds what is true of the whole repository.
package podhook_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module   = "github.com/podhook/podhook"
	httpcall = module + "/hooks/httpcall"
)

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

// Hooks know neither an HTTP server nor Prometheus nor who calls them, whatever
// way it would come. Requests are sent by the package httpcall alone.
func TestHooksDependOnNoServer(t *testing.T) {
	deps := list(t, "-deps", "./hooks/...")
	if len(deps[module+"/hooks"]) == 0 {
		t.Fatalf("the package hooks is not among %d packages", len(deps))
	}
	banned := []string{
		"github.com/prometheus", "github.com/go-chi", "github.com/kelseyhightower/envconfig",
		module + "/agent", module + "/cmd",
	}
	for path, imports := range deps {
		if under(path, module) && path != httpcall && slices.Contains(imports, "net/http") {
			t.Errorf("%s imports net/http", path)
		}
		for _, imported := range imports {
			if slices.ContainsFunc(banned, func(root string) bool { return under(imported, root) }) {
				t.Errorf("%s, which hooks need, imports %s", path, imported)
			}
		}
	}
}

// agent/procfs stands in for a module that compiles regular expressions in every process.
func TestProcfsIsReplaced(t *testing.T) {
	imports, found := list(t, "-deps", "./cmd/podhook")["github.com/prometheus/procfs"]
	if !found || slices.Contains(imports, "regexp") {
		t.Errorf("github.com/prometheus/procfs imports %q (%t): is it still agent/procfs?", imports, found)
	}
}

// httpcall takes from net/http what writes a request and reads an answer: a
// Client or a Transport would cost 0.4 MB, and a Server has no business there.
func TestHTTPCallUsesRequestsAlone(t *testing.T) {
	allowed := []string{"Request", "NewRequest", "Response", "ReadResponse", "Header"}
	files, err := filepath.Glob("hooks/httpcall/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			from, ok := s.X.(*ast.Ident)
			name := s.Sel.Name
			constant := strings.HasPrefix(name, "Status") || strings.HasPrefix(name, "Method")
			if ok && from.Name == "http" && !constant && !slices.Contains(allowed, name) {
				t.Errorf("%s uses http.%s", file, name)
			}
			return true
		})
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

// A leaf knows one thing that several parts need, and none of them.
func TestLeavesImportNoOtherPackage(t *testing.T) {
	for _, leaf := range []string{"keypair", "executable", "exposition", "hookname", "procfs", "sockets", "userfile"} {
		leaf = module + "/hooks/" + leaf
		for path := range list(t, "-deps", leaf) {
			if under(path, module) && path != leaf {
				t.Errorf("%s depends on %s", leaf, path)
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

// Packages that take much of the budget of `make size` are left out.
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

// The types of Kubernetes are for the plugin of kubectl alone.
func TestProductKnowsNoTypesOfKubernetes(t *testing.T) {
	for path := range list(t, "-deps", "./cmd/podhook", "./hooks/...", "./agent/...") {
		if strings.HasPrefix(path, "k8s.io/") || strings.HasPrefix(path, "sigs.k8s.io/") {
			t.Errorf("podhook depends on %s", path)
		}
	}
}
