package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// podhookProgram is the built podhook.
var podhookProgram string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kubectl-podhook")
	if err != nil {
		panic(err)
	}
	if podhookProgram, err = testutil.Build(dir); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// plugin runs the plugin with these words.
func plugin(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return out.String(), errs.String(), code
}

func TestHelp(t *testing.T) {
	for _, word := range []string{"help", "-h", "--help"} {
		out, stderr, code := plugin(t, word)
		if code != 0 || stderr != "" {
			t.Errorf("%s: exit code %d, %q", word, code, stderr)
		}
		for _, c := range commands() {
			if !strings.Contains(out, "  "+c.name+" ") {
				t.Errorf("%s does not name %s", word, c.name)
			}
		}
	}
	for _, c := range commands() {
		out, stderr, code := plugin(t, c.name, "-h")
		if code != 0 || !strings.Contains(out+stderr, "usage: kubectl podhook "+c.name) {
			t.Errorf("%s -h: exit code %d, %q", c.name, code, out+stderr)
		}
	}
}

func TestUnknownCommand(t *testing.T) {
	for _, args := range [][]string{{}, {"statuss"}, {"help", "status"}, {"-n", "shop"}} {
		out, stderr, code := plugin(t, args...)
		if code != exitUsage || out != "" || !strings.Contains(stderr, "usage: kubectl podhook") {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, stderr)
		}
		if len(args) > 0 && !strings.Contains(stderr, `"`+args[0]+`"`) {
			t.Errorf("%q: the word is not named: %q", args, stderr)
		}
	}
}

// The reference has a row for each command.
func TestReadmeCommands(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z]+)[ `]").FindAllStringSubmatch(string(page), -1)
	var names []string
	for _, row := range rows {
		names = append(names, row[1])
	}
	for _, c := range commands() {
		if !strings.Contains(strings.Join(names, " "), c.name) {
			t.Errorf("README.md has no row for %s: %q", c.name, names)
		}
	}
}
