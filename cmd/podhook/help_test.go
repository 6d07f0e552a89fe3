package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/internal/testutil"
)

// visible are the commands that the help lists.
func visible() []command {
	return slices.DeleteFunc(commands(), func(c command) bool { return c.purpose == "" })
}

// fits fails if a line is longer than a terminal.
func fits(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := len(strings.TrimSuffix(line, "\n")); n > width {
			t.Errorf("%s: a line has %d columns: %s", what, n, line)
		}
	}
}

func TestHelpOfEveryCommand(t *testing.T) {
	s := newSandbox(t, "")
	for _, c := range visible() {
		out := s.expect(0, "help", c.name).stdout
		if other := s.expect(0, c.name, "--help").stdout; other != out {
			t.Errorf("podhook %s --help is not podhook help %s:\n%s", c.name, c.name, other)
		}
		fits(t, c.name, out)
		contains(t, strings.Join(strings.Fields(out), " "), c.summary, "Usage: podhook "+strings.TrimSpace(c.name+" "+c.args), "Exit codes: ")
		c.flags().VisitAll(func(f *flag.Flag) {
			if !flagsIn(out)[dashed(f.Name)] || f.Usage == "" {
				t.Errorf("help %s does not explain %s", c.name, dashed(f.Name))
			}
		})
		if len(c.examples) != 2 {
			t.Errorf("%s has %d examples, want 2", c.name, len(c.examples))
		}
		for _, example := range c.examples {
			contains(t, out, "\n  "+example[0]+"\n")
			if err := understood(example[0]); err != nil {
				t.Errorf("%s: %v", example[0], err)
			}
		}
	}
}

// understood parses the command line of an example as podhook would.
func understood(line string) error {
	_, args, found := strings.Cut(strings.TrimSuffix(strings.ReplaceAll(line, "kubectl exec POD -- ", ""), ")"), "podhook ")
	if !found {
		return fmt.Errorf("it does not call podhook")
	}
	args, _, _ = strings.Cut(args, " >")
	words := strings.Fields(args)
	c, err := (&invocation{}).find(words[0])
	if err != nil {
		return err
	}
	rest, err := parse(c.flags(), words[1:], c.cmdline)
	if err != nil {
		return err
	}
	return c.checkWords(rest)
}

// The overview lists all commands on one screen.
func TestHelpOverview(t *testing.T) {
	s := newSandbox(t, "")
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}} {
		out := s.expect(0, args...).stdout
		fits(t, "help", strings.SplitN(out, "\n", 2)[1])
		if n := strings.Count(out, "\n"); n > 36 {
			t.Errorf("%v prints %d lines: one screen is 36", args, n)
		}
		for _, c := range visible() {
			contains(t, out, "\n  "+c.name+" ")
		}
		for _, c := range commands() {
			if c.purpose == "" && strings.Contains(out, "\n  "+c.name+" ") {
				t.Errorf("%v shows podhook's own command %s", args, c.name)
			}
		}
	}
}

func TestHelpSettings(t *testing.T) {
	out := newSandbox(t, "").expect(0, "help", "settings").stdout
	fits(t, "settings", out)
	plain := strings.Join(strings.Fields(out), " ")
	for _, row := range settings.Table() {
		contains(t, plain, row.Name+" "+row.Description)
		if row.Default != "" {
			contains(t, plain, "(default "+row.Default+")")
		}
	}
}

func TestVersion(t *testing.T) {
	s := newSandbox(t, "")
	line := s.expect(0, "version").stdout
	contains(t, line, "podhook ", "go1.", "linux/")
	for _, flag := range []string{"--version", "-V"} {
		if out := s.expect(0, flag).stdout; out != line {
			t.Errorf("%s prints %q, want %q", flag, out, line)
		}
	}
	var b build
	if err := json.Unmarshal([]byte(s.expect(0, "version", "-o", "json").stdout), &b); err != nil {
		t.Fatal(err)
	}
	if b.Version == "" || !strings.HasPrefix(b.GoVersion, "go1.") || !strings.HasPrefix(b.Platform, "linux/") {
		t.Errorf("got %+v", b)
	}
}

// --config and --listen stand for their variables, also for a relative path and where
// the image has the hooks in a variable.
func TestSettingFlags(t *testing.T) {
	s := newSandbox(t, countedHooks)
	if err := os.WriteFile(s.path("mine.yaml"), []byte("hooks: {mine: {steps: [{exec: [sh, -c, 'echo mine >>\"$DIR/ran\"']}]}}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(s.binary, "hook", "mine", "--config", "mine.yaml")
	cmd.Dir, cmd.Env = s.dir, append(slices.Clone(s.env), "PODHOOK_CONFIG_YAML=hooks: {}")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := s.read("ran"); got != "mine\n" {
		t.Errorf("ran %q", got)
	}
	contains(t, s.expect(2, "check", "--config", s.path("none.yaml")).stdout, s.path("none.yaml"))
	contains(t, s.expect(2, "check", "--listen", "8080").stdout, "PODHOOK_LISTEN", "an address such as :8080")
	contains(t, s.expect(2, "serve", "--listen", "agent:1").stderr, "PODHOOK_LISTEN", "agent:1")
}

func TestLogsTail(t *testing.T) {
	s := newSandbox(t, "hooks: {prestart: {steps: [{exec: [seq, '5']}]}}\n")
	s.expect(0, "prestart")
	for tail, want := range map[string]string{"0": "", "2": "4 5", "5": "1 2 3 4 5", "9": "1 2 3 4 5"} {
		for _, follow := range []string{"", "-f"} {
			var got []string
			for line := range strings.Lines(s.expect(0, strings.Fields("logs prestart --tail "+tail+" "+follow)...).stdout) {
				words := strings.Fields(line)
				got = append(got, words[len(words)-1])
			}
			if text := strings.Join(got, " "); text != want {
				t.Errorf("--tail %s %s prints %q, want %q", tail, follow, text, want)
			}
		}
	}
}

// The scripts complete in their real shells.
func TestCompletion(t *testing.T) {
	s := newSandbox(t, countedHooks)
	dir := t.TempDir()
	if err := os.Symlink(s.binary, dir+"/podhook"); err != nil {
		t.Fatal(err)
	}
	for shell, call := range map[string]string{
		"bash": `source <(podhook completion bash); COMP_WORDS=(podhook %[2]s); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _podhook; printf '%%s\n' "${COMPREPLY[@]}"`,
		"zsh":  `compdef() { : }; compadd() { shift; print -l -- ${(P)1}; }; _files() { :; }; source <(podhook completion zsh); words=(podhook %[2]s); CURRENT=$#words; _podhook`,
		"fish": `podhook completion fish | source; complete -C '%[1]s'`,
	} {
		t.Run(shell, func(t *testing.T) {
			testutil.NeedProgram(t, shell, shell)
			for line, want := range map[string]string{
				"podhook shut":           "shutdown",
				"podhook hook oth":       "other",
				"podhook logs --t":       "--tail",
				"podhook plan -o j":      "json",
				"podhook help set":       "settings",
				"podhook completion fi":  "fish",
				"podhook plan --trigg":   "--trigger",
				"podhook plan --force o": "other",
			} {
				cmd := exec.Command(shell, "-c", fmt.Sprintf(call, line, strings.TrimPrefix(line, "podhook ")))
				cmd.Env = append(slices.Clone(s.env), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir)
				out, err := cmd.CombinedOutput()
				got := strings.FieldsFunc(string(out), unicode.IsSpace)
				if err != nil || !slices.Equal(got, []string{want}) {
					t.Errorf("%q becomes %q (%v), want %q", line, out, err, want)
				}
			}
		})
	}
}

// The manual page is correct for mandoc, and has every command and setting.
func TestManualPage(t *testing.T) {
	testutil.NeedProgram(t, "mandoc", "mandoc")
	source := newSandbox(t, "").expect(0, manCommand).stdout
	lint := exec.Command("mandoc", "-Tlint", "-Wstyle")
	lint.Stdin = strings.NewReader(source)
	out, _ := lint.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "missing date") { // the same binary makes the same page
			t.Error(line)
		}
	}
	show := exec.Command("mandoc", "-Tascii")
	show.Stdin = strings.NewReader(source)
	out, err := show.Output()
	if err != nil {
		t.Fatal(err)
	}
	var text []byte // without the overstruck letters of bold type
	for _, c := range out {
		if c == '\b' {
			text = text[:len(text)-1]
			continue
		}
		text = append(text, c)
	}
	plain := strings.Join(strings.Fields(string(text)), " ")
	for _, c := range visible() {
		contains(t, plain, "podhook "+strings.TrimSpace(c.name+" "+c.args), c.examples[0][0])
	}
	for _, row := range settings.Table() {
		contains(t, plain, row.Name)
	}
}
