package agent

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The table of metrics has those that the collector has, with their labels.
func TestReadmeMetrics(t *testing.T) {
	description := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: (\{.*\})\}`)
	var known []string
	for _, field := range reflect.ValueOf(newCollector(&Agent{})).Elem().Fields() {
		if field.Type() != reflect.TypeFor[*prometheus.Desc]() {
			continue
		}
		m := description.FindStringSubmatch((*prometheus.Desc)(field.UnsafePointer()).String())
		if m == nil {
			t.Fatal("a metric has no description")
		}
		known = append(known, m[1]+strings.TrimSuffix(m[2], "{}"))
	}
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^[|] `(podhook_[^`]+)`").FindAllStringSubmatch(readme(t), -1) {
		listed = append(listed, m[1])
	}
	slices.Sort(known)
	slices.Sort(listed)
	if !slices.Equal(known, listed) {
		t.Errorf("the page has\n%q\nand the code\n%q", listed, known)
	}
}

// Every path of the table takes the methods that the table says, and the routes have
// no other path.
func TestReadmePaths(t *testing.T) {
	routes, err := os.ReadFile("routes.go")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "hooks: {reload: {steps: []}}")
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^[|] (`/.*?) [|] ([A-Z, ]+) [|]").FindAllStringSubmatch(readme(t), -1) {
		for _, m := range regexp.MustCompile("`(/[^`]*)`").FindAllStringSubmatch(row[1], -1) {
			listed[m[1]] = true
			path := strings.Replace(m[1], "{name}", "reload", 1)
			answer := httptest.NewRecorder()
			w.agent.Handler().ServeHTTP(answer, httptest.NewRequest("DELETE", path, nil))
			if answer.Code != 405 || answer.Header().Get("Allow") != row[2] {
				t.Errorf("%s: status %d, allowed %q; the page says %q", path, answer.Code, answer.Header().Get("Allow"), row[2])
			}
		}
	}
	known := map[string]bool{"/prestart": true, "/shutdown": true} // made from the names of hooks
	for _, m := range regexp.MustCompile(`"(/[a-z]+(/\{name\})?(/output)?)"`).FindAllStringSubmatch(string(routes), -1) {
		known[m[1]] = true
	}
	if !maps.Equal(listed, known) {
		t.Errorf("the page has %s, the routes %s", fmt.Sprint(slices.Sorted(maps.Keys(listed))), fmt.Sprint(slices.Sorted(maps.Keys(known))))
	}
}
