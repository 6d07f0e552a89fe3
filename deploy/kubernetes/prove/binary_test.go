package prove

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// commands are those that the built binary's help shows.
type commands []string

func help(t *testing.T) commands {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "podhook")
	build := exec.Command("go", "build", "-o", binary, "./cmd/podhook")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.Command(binary, "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	var known commands
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "podhook ")); len(words) > 0 {
			known = append(known, words[0])
		}
	}
	return known
}

// check fails where podhook has no such command.
func (known commands) check(words []string) error {
	for _, name := range known {
		if len(words) > 0 && words[0] == name {
			return nil
		}
	}
	return fmt.Errorf("podhook has no command for %q", words)
}

func TestCommandsAreKnown(t *testing.T) {
	known := help(t)
	for _, name := range []string{"prestart", "shutdown", "serve", "run", "install", "wait"} {
		if err := known.check([]string{name}); err != nil {
			t.Error(err)
		}
	}
	for _, words := range [][]string{nil, {"prestop"}, {"sh"}} {
		if known.check(words) == nil {
			t.Errorf("%q is known", words)
		}
	}
}
