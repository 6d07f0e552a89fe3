package main

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of the pages anew")

// front are the figures of README.md, by how they begin.
var front = []string{
	"binary", "fsyncs of a call", "an HTTP call that runs /bin/true, over a bare spawn, state on disk", "hook t with /bin/true, time over version's, state on disk",
	"run -- true", "idle agent after one scrape",
}

// The tables of the pages are what was measured last.
func TestTables(t *testing.T) {
	var last results
	data, err := os.ReadFile("results.json")
	if err == nil {
		err = json.Unmarshal(data, &last)
	}
	if err != nil || len(last.Rows) < 20 {
		t.Fatalf("%d rows, %v", len(last.Rows), err)
	}
	var whole, brief strings.Builder
	found := 0
	for _, r := range last.Rows {
		cells := r.cells()
		whole.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		if slices.ContainsFunc(front, func(begin string) bool { return strings.HasPrefix(r.Figure, begin) }) {
			brief.WriteString("| " + strings.Join(cells[:4], " | ") + " |\n")
			found++
		}
	}
	if found != len(front) {
		t.Errorf("%d of the %d figures of README.md are among the results", found, len(front))
	}
	table(t, "README.md", "| figure | podhook | goal | beside it | verdict |\n| --- | ---: | ---: | --- | --- |\n", whole.String())
	table(t, "../../README.md", "| figure | podhook | goal | beside it |\n| --- | ---: | ---: | --- |\n", brief.String())
}

// table compares a table of a page, or writes it.
func table(t *testing.T, path, head, want string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), head)
	if !found {
		t.Fatalf("%s has no table %s", path, head)
	}
	at := 0
	for strings.HasPrefix(rest[at:], "|") {
		at += strings.IndexByte(rest[at:], '\n') + 1
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+head+want+rest[at:]), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if rest[:at] != want {
		t.Errorf("%s has\n%s\nand the results say\n%s(-update writes them)", path, rest[:at], want)
	}
}
