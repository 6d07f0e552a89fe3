package prove

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/podhook/podhook/hooks/config"
)

const root = "../../.."

// Every example of the repository is a configuration, for the schema and for
// podhook: files, the blocks of pages, and the texts in ConfigMaps and variables.
func TestExamples(t *testing.T) {
	s := compile(t)
	seen := 0
	for name, text := range files(t) {
		for i, yaml := range configurations(t, name, text) {
			seen++
			t.Run(name+"#"+strconv.Itoa(i), func(t *testing.T) {
				if err := s.Validate(plain(t, yaml)); err != nil {
					t.Errorf("the schema: %v\n%s", err, yaml)
				}
				if _, err := config.Parse(name, []byte(yaml), []string{"HOSTNAME=pod-1"}); err != nil {
					t.Errorf("podhook: %v\n%s", err, yaml)
				}
			})
		}
	}
	if seen < 2 {
		t.Errorf("%d examples found: hooks/README.md and the demo have one each", seen)
	}
}

// files are the YAML texts of the repository: whole files, and blocks of Markdown.
func files(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		ext := filepath.Ext(path)
		if !d.Type().IsRegular() || ext != ".yaml" && ext != ".yml" && ext != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if ext == ".md" {
			for i, block := range strings.Split("\n"+string(text), "\n```yaml\n")[1:] {
				block, _, _ := strings.Cut(block, "\n```")
				found[name+" block "+strconv.Itoa(i+1)] = block
			}
			return nil
		}
		// The demo replaces these words by its folders and its port.
		found[name] = strings.NewReplacer("DEMO/", "/demo/", "WORK/", "/demo-work/", "WEB_PORT", "8080").Replace(string(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// configurations returns the configurations in a text: documents with hooks, and the
// strings in other documents that are one.
func configurations(t *testing.T, name, text string) (list []string) {
	t.Helper()
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var doc yaml.Node
		if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if hasHooks(&doc) {
			out, err := yaml.Marshal(&doc)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, string(out))
			continue
		}
		eachText(&doc, func(inner string) {
			var doc yaml.Node
			if yaml.Unmarshal([]byte(inner), &doc) == nil && hasHooks(&doc) {
				list = append(list, inner)
			}
		})
	}
}

func hasHooks(doc *yaml.Node) bool {
	if doc.Kind != yaml.DocumentNode || doc.Content[0].Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i < len(doc.Content[0].Content); i += 2 {
		if doc.Content[0].Content[i].Value == "hooks" {
			return true
		}
	}
	return false
}

func eachText(n *yaml.Node, visit func(string)) {
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "hooks:") {
		visit(n.Value)
	}
	for _, child := range n.Content {
		eachText(child, visit)
	}
}
