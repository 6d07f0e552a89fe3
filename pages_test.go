package podhook_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/config"
)

// pages are the texts of all Markdown files by their path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == ".git" || path == "bin" || path == "dist"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		found[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"README.md", "hooks/README.md", "agent/README.md", "cmd/podhook/README.md", "deploy/README.md"} {
		if found[path] == "" {
			t.Errorf("there is no %s", path)
		}
	}
	return found
}

func lines(text string) int { return strings.Count(text, "\n") }

func TestReadmeIsShort(t *testing.T) {
	if n := lines(pages(t)["README.md"]); n > 200 {
		t.Errorf("README.md has %d lines: at most 200; the other pages are the reference", n)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	code    = regexp.MustCompile("(?ms)^```.*?^```$")
)

// anchors are the names by which GitHub reaches the headings of a page.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(code.ReplaceAllString(page, ""), -1) {
		found[strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return found
}

// Every link leads to a file and a heading that exist.
func TestLinks(t *testing.T) {
	all := pages(t)
	for path, text := range all {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := filepath.Join(filepath.Dir(path), file)
			if file == "" {
				target = path
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: %v", path, m[1], err)
			} else if anchor != "" && !anchors(all[target])[anchor] {
				t.Errorf("%s: %s: %s has no such heading", path, m[1], target)
			}
		}
	}
}

var named = regexp.MustCompile("`((?:hooks|agent|cmd|deploy|internal|[.]ci)(?:/[A-Za-z0-9_.*-]+)*/?)`")

// Every path of this repository that CONTRIBUTING.md names exists. NAME stands for
// any name.
func TestNamedPathsExist(t *testing.T) {
	seen := 0
	for _, m := range named.FindAllStringSubmatch(pages(t)["CONTRIBUTING.md"], -1) {
		seen++
		found, err := filepath.Glob(strings.ReplaceAll(m[1], "NAME", "*"))
		if err != nil || len(found) == 0 {
			t.Errorf("CONTRIBUTING.md names %s, which does not exist (%v)", m[1], err)
		}
	}
	if seen < 10 {
		t.Errorf("only %d paths are named: the way of a call has more", seen)
	}
}

// The map has every part of hooks and agent.
func TestMapIsComplete(t *testing.T) {
	page := pages(t)["CONTRIBUTING.md"]
	for _, pattern := range []string{"hooks/*/*.go", "agent/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if part := filepath.Base(filepath.Dir(file)); !regexp.MustCompile(`\b` + part + `\b`).MatchString(page) {
				t.Errorf("CONTRIBUTING.md does not name %s", filepath.Dir(file))
			}
		}
	}
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// Every example is checked by its language: hooks and steps are parsed here, manifests
// in deploy/kubernetes/prove and policy.
func TestExamples(t *testing.T) {
	seen := map[string]int{}
	for path, text := range pages(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			language, block := m[1], m[2]
			seen[language]++
			switch language {
			case "yaml":
				checkYAML(t, path, block)
			case "dockerfile":
				checkDockerfile(t, path, block)
			case "sh":
				checkShell(t, path, block)
			case "console", "": // output, diagrams
			default:
				t.Errorf("%s: nothing checks examples in %q", path, language)
			}
		}
	}
	for language, least := range map[string]int{"yaml": 5, "dockerfile": 3, "sh": 1} {
		if seen[language] < least {
			t.Errorf("%d examples in %s: at least %d are known", seen[language], language, least)
		}
	}
}

// checkYAML parses a configuration or a list of steps.
func checkYAML(t *testing.T, path, block string) {
	t.Helper()
	var top yaml.Node
	if err := yaml.Unmarshal([]byte(block), &top); err != nil {
		t.Errorf("%s: %v\n%s", path, err, block)
		return
	}
	root := top.Content[0]
	switch {
	case strings.Contains(block, "\n  run: podhook "): // of a CI job; cmd/podhook runs it
		return
	case root.Kind == yaml.SequenceNode:
		steps := "  " + strings.ReplaceAll(block, "\n", "\n  ")
		block = "hooks:\n  shutdown:\n    timeout: 60s\n    steps:\n  " + strings.ReplaceAll(steps, "\n", "\n  ")
	case slices.Contains([]string{"apiVersion", "metadata", "spec"}, root.Content[0].Value):
		return
	}
	if _, err := config.Parse(path, []byte(block), []string{"HOSTNAME=web-0"}); err != nil {
		t.Errorf("%s: %v\n%s", path, err, block)
	}
}

// checkDockerfile holds settings to those that podhook has.
func checkDockerfile(t *testing.T, path, block string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^ENV (PODHOOK_[A-Z_]+)=`).FindAllStringSubmatch(block, -1) {
		if !isSetting(m[1]) {
			t.Errorf("%s: there is no setting %s", path, m[1])
		}
	}
	for line := range strings.Lines(block) {
		_, argv, found := strings.Cut(line, "[")
		var words []string
		if !found {
			continue
		}
		if err := json.Unmarshal([]byte("["+argv), &words); err != nil {
			t.Errorf("%s: %q is no list of words: %v", path, line, err)
		}
	}
}

// checkShell holds make's targets to those of the Makefile.
func checkShell(t *testing.T, path, block string) {
	t.Helper()
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^make ([a-z-]+)`).FindAllStringSubmatch(block, -1) {
		if !strings.Contains(string(makefile), "\n"+m[1]+":") {
			t.Errorf("%s: the Makefile has no target %s", path, m[1])
		}
	}
}

func isSetting(name string) bool {
	for _, row := range settings.Table() {
		if row.Name == name {
			return true
		}
	}
	return false
}

// Every variable that a page names is a setting, or one that a step gets.
func TestVariables(t *testing.T) {
	known := map[string]bool{"PODHOOK_IMAGE": true} // of deploy/e2e
	for _, name := range config.StepVariables() {
		known[name] = true
	}
	for path, text := range pages(t) {
		if path == "CHANGELOG.md" {
			continue // names what was removed
		}
		for _, name := range regexp.MustCompile(`PODHOOK_[A-Z_]*[A-Z]`).FindAllString(text, -1) {
			if !known[name] && !isSetting(name) {
				t.Errorf("%s names %s, which is neither a setting nor a variable of a step", path, name)
			}
		}
	}
}

// The reference of hooks names every field that the schema has.
func TestStepFields(t *testing.T) {
	text, err := os.ReadFile("deploy/schema/podhook.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	page := pages(t)["hooks/README.md"]
	for _, def := range []string{"hook", "step", "scripts", "http", "headerFile", "wait", "metric", "signal", "write", "when"} {
		if len(schema.Defs[def].Properties) == 0 {
			t.Errorf("the schema has no %s", def)
		}
		for field := range schema.Defs[def].Properties {
			if !regexp.MustCompile("[`{ ]" + field + "[`:]").MatchString(page) {
				t.Errorf("hooks/README.md does not name the field %s of %s", field, def)
			}
		}
	}
	for _, name := range config.StepVariables() {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("hooks/README.md does not name %s", name)
		}
	}
}
