package access

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The table of rights in agent/README.md is the one that the code decides by.
func TestReadmeRights(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, known []string
	for _, row := range regexp.MustCompile(`(?m)^[|] (probe|metrics|read|act) [|] .* [|] (.*?) [|] (.*?) [|] (.*?) [|]$`).FindAllStringSubmatch(string(page), -1) {
		listed = append(listed, strings.Join(row[1:], " | "))
	}
	for _, rule := range Rules() {
		known = append(known, strings.Join(words(rule), " | "))
	}
	if !slices.Equal(listed, known) {
		t.Errorf("the page has\n%s\nand the code\n%s", strings.Join(listed, "\n"), strings.Join(known, "\n"))
	}
}

// words are the columns of a rule: class, browsers, networks, credential.
func words(r Rule) []string {
	browsers, networks := "refused", "everywhere"
	if r.browsers {
		browsers = "yes"
	}
	if r.networks {
		networks = "`PODHOOK_ALLOW_FROM`"
	}
	credential := map[need]string{never: "none", whereSet: "where one is set", always: "always"}[r.credential]
	return []string{string(r.Class), browsers, networks, credential}
}
