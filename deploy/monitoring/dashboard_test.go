package monitoring

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type dashboard struct {
	Panels []panel
	// Templating holds the variables.
	Templating struct {
		List []struct {
			Name, Type, Definition string
		}
	}
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		Expr       string
		Datasource struct{ UID string }
	}
}

func loadDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// filled puts values in the place of Grafana's variables: all of the fleet.
func filled(query string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$namespace", ".*", "$job", ".*", "$pod", ".*").Replace(query)
}

// Panels have room of their own, and a data source that the user chooses.
func TestDashboardLayout(t *testing.T) {
	d := loadDashboard(t)
	ids, cells, rows := map[int]bool{}, map[[2]int]string{}, []string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: the id %d is given twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			rows = append(rows, p.Title)
		} else if len(p.Targets) == 0 {
			t.Errorf("%s has no query", p.Title)
		}
		at := p.GridPos
		if at.X+at.W > 24 {
			t.Errorf("%s is wider than the page", p.Title)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" {
					t.Fatalf("%s covers %s", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s asks %q", p.Title, target.Datasource.UID)
			}
			if left := regexp.MustCompile(`\$\w+`).FindString(filled(target.Expr)); left != "" {
				t.Errorf("%s: nothing is filled in for %s", p.Title, left)
			}
		}
	}
	if want := []string{"Fleet", "Pod"}; !slices.Equal(rows, want) {
		t.Errorf("the rows are %q, want %q", rows, want)
	}
}

var metricName = regexp.MustCompile(`\bpodhook(?::\w+)+|\bpodhook_\w+`)

// Queries of the dashboard, the rules and the README name metrics that there are.
func TestQueriesNameMetrics(t *testing.T) {
	known := map[string]bool{}
	for name := range agentMetrics(t) {
		known[name] = true
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			known[name+suffix] = strings.HasSuffix(name, "_duration_seconds")
		}
	}
	for _, r := range rules(t) {
		known[r.Record] = true
	}
	check := func(where, query string) {
		for _, name := range metricName.FindAllString(query, -1) {
			if !known[name] {
				t.Errorf("%s: there is no metric %s", where, name)
			}
		}
	}
	for _, r := range rules(t) {
		check(r.Record+r.Alert, r.Expr)
	}
	for _, p := range loadDashboard(t).Panels {
		for _, target := range p.Targets {
			check(p.Title, target.Expr)
		}
	}
	for _, example := range examples(t) {
		check("README.md", example.query)
	}
}
