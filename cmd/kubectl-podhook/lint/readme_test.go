package lint

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

// table returns the cells of the table of README.md that begins with these columns.
func table(t *testing.T, columns string) (rows [][]string) {
	t.Helper()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n| "+columns)
	if !found {
		t.Fatalf("README.md has no table | %s", columns)
	}
	body, _, _ := strings.Cut(rest, "\n\n")
	for _, line := range strings.Split(strings.TrimSpace(body), "\n")[2:] {
		rows = append(rows, strings.Split(strings.Trim(line, "| "), " | "))
	}
	return rows
}

func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// The table of README.md has the rules of the code in their order, and an example of each that
// is in one of its bad manifests.
func TestReadmeRules(t *testing.T) {
	rows := table(t, "rule |")
	rules := allRules()
	if len(rows) != len(rules) {
		t.Errorf("%d rows for %d rules", len(rows), len(rules))
	}
	for i, row := range rows[:min(len(rows), len(rules))] {
		r := rules[i]
		if len(row) != 4 || row[0] != "`"+r.id+"`" || row[1] != string(r.severity) || row[2] != r.finds {
			t.Errorf("the row is\n%q\nand the rule\n%q", row, []string{r.id, string(r.severity), r.finds})
			continue
		}
		example := strings.Trim(row[3], "`")
		if !slices.ContainsFunc(cases(), func(c badCase) bool {
			text, _ := bad(t, c.base, c.change)
			return c.rule == r.id && strings.Contains(words(strings.ReplaceAll(text, "# bad", "")), words(example))
		}) {
			t.Errorf("%s: no bad manifest has the example %s", r.id, example)
		}
	}
}

// The table of flags has every flag.
func TestReadmeFlags(t *testing.T) {
	var named []string
	for _, row := range table(t, "flag |") {
		name, _, _ := strings.Cut(strings.Trim(row[0], "`"), " ")
		named = append(named, strings.TrimLeft(strings.Trim(name, "`"), "-"))
	}
	(&options{}).flags().VisitAll(func(f *flag.Flag) {
		if !slices.Contains(named, f.Name) {
			t.Errorf("README.md does not name the flag %s", f.Name)
		}
	})
}
