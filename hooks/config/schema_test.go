package config

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// schema is the part of a JSON Schema that these tests look at. deploy/schema/prove tests
// with a validator what the schema accepts.
type schema struct {
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
	Defs       map[string]schema          `json:"$defs"`
	OneOf      []schema                   `json:"oneOf"`
}

func readSchema(t *testing.T) schema {
	t.Helper()
	text, err := os.ReadFile("../../deploy/schema/podhook.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// allowedBy returns the fields that the decoder allows in a mapping. The error for an
// unknown field lists them.
func allowedBy(t *testing.T, yaml string) []string {
	t.Helper()
	_, err := Parse("f.yaml", []byte(yaml), nil)
	if err == nil {
		t.Fatalf("no error for %s", yaml)
	}
	_, list, found := strings.Cut(err.Error(), `"xxxxxx": no such field; allowed: `)
	if !found {
		t.Fatalf("%s: %v", yaml, err)
	}
	list, _, _ = strings.Cut(list, "\n")
	return slices.Sorted(slices.Values(strings.Split(list, ", ")))
}

// The schema and the decoder know the same fields.
func TestSchemaFields(t *testing.T) {
	root := readSchema(t)
	const unknown = "xxxxxx: 1"
	mappings := map[string]string{
		"":            unknown,
		"hook":        "hooks: {a: {" + unknown + "}}",
		"step":        "hooks: {a: {steps: [{" + unknown + "}]}}",
		"scripts":     inStep("scripts: {" + unknown + "}"),
		"http":        inStep("http: {" + unknown + "}"),
		"headerFile":  inStep("http: {url: \"http://a\", headers: {A: {" + unknown + "}}}"),
		"wait":        inStep("wait: {" + unknown + "}"),
		"answer":      inStep("wait: {http: {" + unknown + "}}"),
		"ready":       "hooks: {}\nready: [{" + unknown + "}]",
		"metric":      inStep("wait: {metric: {" + unknown + "}}"),
		"quiet":       inStep("wait: {quiet: {" + unknown + "}}"),
		"connections": inStep("wait: {connections: {" + unknown + "}}"),
		"signal":      inStep("signal: {" + unknown + "}"),
		"write":       inStep("write: {" + unknown + "}"),
		"when":        inStep("when: {" + unknown + "}"),
	}
	for name, yaml := range mappings {
		def := root
		if name != "" {
			def = root.Defs[name]
		}
		got, want := slices.Sorted(maps.Keys(def.Properties)), allowedBy(t, yaml)
		if !slices.Equal(got, want) {
			t.Errorf("%q: the schema has %v, the decoder %v", name, got, want)
		}
	}
	for name, def := range root.Defs {
		if _, known := mappings[name]; !known && len(def.Properties) > 0 {
			t.Errorf("no decoder's table is compared with %q", name)
		}
	}
}

// The lists of the schema are those of the code.
func TestSchemaLists(t *testing.T) {
	root := readSchema(t)
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name())
	}
	for def, want := range map[string][]string{"step": names, "wait": strings.Split(conditions, ", "), "ready": strings.Split(readyConditions, ", ")} {
		var got []string
		for _, choice := range root.Defs[def].OneOf {
			got = append(got, choice.Required...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("one of %v in the schema of %s, one of %v in the code", got, def, want)
		}
	}
	for _, tt := range []struct {
		def, property string
		want          []string
	}{
		{"step", "onFailure", []string{string(Fail), string(Continue), string(Ignore)}},
		{"http", "method", Methods()},
		{"metric", "goneIs", []string{string(GoneIsError), string(GoneIsDone), string(GoneIsNotYet)}},
		{"when", "trigger", triggers()},
	} {
		list, err := json.Marshal(tt.want)
		if err != nil {
			t.Fatal(err)
		}
		var plain any
		if err := json.Unmarshal(root.Defs[tt.def].Properties[tt.property], &plain); err != nil {
			t.Fatal(err)
		}
		compact, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		if want := `"enum":` + string(list); !strings.Contains(string(compact), want) {
			t.Errorf("%s.%s: %s is not in %s", tt.def, tt.property, want, compact)
		}
	}
}
