package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// page is the text of a page. Examples and links of all pages are checked in
// pages_test.go.
func page(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rows are the cells of the table of a page that begins with these columns.
func rows(t *testing.T, path, columns string) [][]string {
	t.Helper()
	_, rest, found := strings.Cut(page(t, path), "\n| "+columns)
	if !found {
		t.Fatalf("%s has no table | %s", path, columns)
	}
	var cells [][]string
	body, _, _ := strings.Cut(rest, "\n\n")
	for _, line := range strings.Split(body, "\n")[2:] {
		line = strings.ReplaceAll(strings.Trim(line, "| "), `\|`, "\x00")
		row := strings.Split(line, " | ")
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "\x00", "|")
		}
		cells = append(cells, row)
	}
	return cells
}

var update = flag.Bool("update", false, "write the table of settings anew")

// The table of settings is the struct's, row by row.
func TestReadmeSettings(t *testing.T) {
	text := page(t, "README.md")
	var want strings.Builder
	for _, row := range settings.Table() {
		value := "unset"
		if row.Default != "" {
			value = "`" + row.Default + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", row.Name, value, row.Description)
	}
	const head = "| variable | default | meaning |\n| --- | --- | --- |\n"
	before, rest, _ := strings.Cut(text, head)
	got, after, _ := strings.Cut(rest, "\n\n")
	if *update {
		if err := os.WriteFile("README.md", []byte(before+head+want.String()+"\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got+"\n" != want.String() {
		t.Errorf("the page's settings are\n%s\nand those of the code (-update writes them)\n%s", got, want.String())
	}
}

var (
	commandName = regexp.MustCompile("`podhook ([a-z]+)")
	flagName    = regexp.MustCompile("(?:^|[ `\\[])(--?[A-Za-z][a-z-]*)")
)

// flagsIn returns the flags that a text names.
func flagsIn(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range flagName.FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return found
}

// Every command has a row, which names all its flags and no others. Rows of several
// commands name the flags of each.
func TestReadmeCommands(t *testing.T) {
	named := map[string]map[string]bool{"run": {}}
	for _, row := range rows(t, "README.md", "command | use |") {
		for _, m := range commandName.FindAllStringSubmatch(row[0], -1) {
			if named[m[1]] == nil {
				named[m[1]] = map[string]bool{}
			}
			maps.Copy(named[m[1]], flagsIn(row[0]+" "+row[1]))
		}
	}
	for _, row := range rows(t, "../../agent/README.md", "flag | does |") {
		maps.Copy(named["run"], flagsIn(row[0]))
	}
	for _, c := range commands() {
		if c.purpose == "" {
			continue
		}
		if named[c.name] == nil {
			t.Errorf("podhook %s has no row", c.name)
		}
		has := map[string]bool{}
		c.flags().VisitAll(func(f *flag.Flag) { has[dashed(f.Name)] = true })
		for name := range has {
			if !named[c.name][name] && name != "--header" && name != "--insecure" { // long names of -H and -k
				t.Errorf("the row of podhook %s does not name %s", c.name, name)
			}
		}
		for name := range named[c.name] {
			if !has[name] && name != "--help" && name != "--version" { // of podhook itself
				t.Errorf("the row of podhook %s names %s, which it does not have", c.name, name)
			}
		}
	}
}

// The table of exit codes is that of the code, and so are the statuses.
func TestReadmeExitCodes(t *testing.T) {
	listed := map[int]bool{}
	for _, row := range rows(t, "README.md", "exit code | meaning |") {
		for text := range strings.SplitSeq(row[0], ", ") {
			code, err := strconv.Atoi(text)
			if err != nil {
				t.Error(err)
			}
			listed[code] = true
		}
	}
	known := map[int]bool{exitOK: true, exitFailed: true, exitUsage: true, exitLate: true}
	for _, sig := range stopSignals() {
		known[128+int(sig.(syscall.Signal))] = true
	}
	http := page(t, "../../agent/README.md")
	for _, outcome := range []state.Outcome{state.Succeeded, state.Failed, state.TimedOut, state.Interrupted} {
		v := hooks.Judge(hooks.Result{Record: state.Record{Outcome: outcome}}, nil)
		known[v.ExitCode] = true
		if want := fmt.Sprintf("%d %s", v.HTTPStatus, strings.ReplaceAll(string(outcome), "_", " ")); !strings.Contains(http, want) {
			t.Errorf("agent/README.md does not say %q", want)
		}
	}
	if !maps.Equal(listed, known) {
		t.Errorf("the page has the exit codes %v, the code %v", slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(known)))
	}
}

// The numbers of lost requests are those of the last measurement, a row for each way to
// stop a server, with the numbers by withdrawal.
func TestReadmeLostRequests(t *testing.T) {
	var results []struct {
		Server, Variant               string
		Withdrawal                    float64
		Stops, Sent, Failed, CutShort int
		SecondsToStop                 struct{ Most float64 }
	}
	if err := json.Unmarshal([]byte(page(t, "../../deploy/e2e/results/lost-requests.json")), &results); err != nil {
		t.Fatal(err)
	}
	table := rows(t, "../../deploy/README.md", "server | stopped by |")
	const withdrawals = 4
	if len(results) == 0 || len(table)*withdrawals != len(results) {
		t.Fatalf("%d rows for %d results", len(table), len(results))
	}
	for i := range table {
		stops, sent := 0, 0
		var lost, took, after []string
		for _, r := range results[i*withdrawals : (i+1)*withdrawals] {
			stops, sent = stops+r.Stops, sent+r.Sent
			lost = append(lost, fmt.Sprintf("%.1f", float64(r.Failed+r.CutShort)/float64(r.Stops)))
			took = append(took, fmt.Sprintf("%.1f", r.SecondsToStop.Most))
			after = append(after, fmt.Sprint(r.Withdrawal))
		}
		r := results[i*withdrawals]
		want := fmt.Sprintf("%s | %s | %d | %d | %s | %s", r.Server, r.Variant, stops, sent, strings.Join(lost, ", "), strings.Join(took, ", "))
		if got := strings.Join(table[i], " | "); got != want || strings.Join(after, " ") != "0.5 1 3 8" {
			t.Errorf("deploy/README.md has\n%s\nand the results say\n%s after %v", got, want, after)
		}
	}
}
