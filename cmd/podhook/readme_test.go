package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/podhook/podhook/agent/settings"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var update = flag.Bool("update", false, "write the table of settings anew")

// The table of settings is the struct's, row by row.
func TestReadmeSettings(t *testing.T) {
	text := readme(t)
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
		t.Errorf("the README's settings are\n%s\nand those of the code (-update writes them)\n%s", got, want.String())
	}
}

// Every command stands in the README.
func TestReadmeCommands(t *testing.T) {
	text := readme(t)
	for _, name := range commandNames() {
		if !strings.Contains(text, "`podhook "+name) {
			t.Errorf("podhook %s is not in the README", name)
		}
	}
}
