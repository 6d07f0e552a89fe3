package hooks

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/podhook/podhook/hooks/config"
)

// samples has a step of each kind.
func samples() map[string]string {
	return map[string]string{
		"exec":     "[/bin/true]",
		"scripts":  "/nothing/here",
		"http":     "http://127.0.0.1:1/",
		"wait":     "{file: /nothing/here}",
		"signal":   "TERM",
		"sleep":    "1s",
		"write":    "{file: /nothing/here}",
		"remove":   "/nothing/here",
		"parallel": "[{sleep: 1s}]",
	}
}

// decoded lists the kinds in the decoder's table: the error for a step without an
// action names them all.
func decoded(t *testing.T) []string {
	t.Helper()
	_, err := config.Parse("f.yaml", []byte("hooks: {a: {steps: [{name: b}]}}"), nil)
	var errs *config.Errors
	if !errors.As(err, &errs) {
		t.Fatalf("got %v", err)
	}
	_, list, found := strings.Cut(errs.Problems[0].Msg, "exactly one of ")
	if !found {
		t.Fatalf("got %v", err)
	}
	return slices.Sorted(slices.Values(strings.Split(list, ", ")))
}

// inSchema lists the kinds of the JSON schema.
func inSchema(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile("../deploy/schema/podhook.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs struct {
			Step struct {
				OneOf []struct{ Required []string }
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	for _, choice := range schema.Defs.Step.OneOf {
		list = append(list, choice.Required...)
	}
	slices.Sort(list)
	return list
}

// inReadme lists the kinds in the README's table of steps.
func inReadme(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| step | does |\n")
	if !found {
		t.Fatal("hooks/README.md has no table of steps")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+): ").FindAllStringSubmatch(table, -1) {
		list = append(list, row[1])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// inFiles lists the kinds that have a file prefix_KIND.go.
func inFiles(t *testing.T, prefix string) (list []string) {
	t.Helper()
	files, err := filepath.Glob(prefix + "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		kind := strings.TrimSuffix(strings.TrimPrefix(file, prefix), ".go")
		if !strings.HasSuffix(kind, "_test") {
			list = append(list, kind)
		}
	}
	return list
}

// A kind of step is in the decoder, in the schema, in the README and in the table of
// what performs it, and it has a file in both packages.
func TestKindsAreComplete(t *testing.T) {
	kinds := decoded(t)
	for where, list := range map[string][]string{
		"the JSON schema":            inSchema(t),
		"the table of the README":    inReadme(t),
		"the files config/kind_*.go": inFiles(t, "config/kind_"),
		"the files action_*.go":      inFiles(t, "action_"),
	} {
		if !slices.Equal(list, kinds) {
			t.Errorf("%s: the kinds are %v; the decoder has %v", where, list, kinds)
		}
	}
	for _, kind := range kinds {
		cfg, err := config.Parse("f.yaml", []byte("hooks: {a: {steps: [{"+kind+": "+samples()[kind]+"}]}}"), nil)
		if err != nil {
			t.Errorf("no sample of %s: %v", kind, err)
			continue
		}
		step := cfg.Hooks["a"].Steps[0]
		if kind == "scripts" || step.Members() != nil {
			continue
		}
		if list := unitsOf(cfg.Hooks["a"], step); len(list) != 1 || list[0].perform == nil {
			t.Errorf("nothing performs %s", kind)
		}
	}
}
