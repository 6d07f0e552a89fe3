package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// kept returns the configuration as another process of the instance restores it.
func kept(t *testing.T, c *Config) *Config {
	t.Helper()
	data, err := c.Save()
	if err != nil {
		t.Fatal(err)
	}
	last, err := Restore(c.source, c.Source, data)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// TestUpdateRefusesWhatIsNoConfiguration: a file that is empty, cut or gone is refused until
// there is a good one, in every process that has the last good one.
func TestUpdateRefusesWhatIsNoConfiguration(t *testing.T) {
	const good = "hooks:\n  shutdown:\n    steps:\n    - sleep: 1ms\n"
	for _, given := range []bool{true, false} {
		dir := t.TempDir()
		file := filepath.Join(dir, "podhook.yaml")
		s := Source{Dir: dir}
		if given {
			s.File = file
		}
		write(t, file, good, 0o644)
		c, err := Load(s)
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(){
			"empty":     func() { write(t, file, "", 0o644) },
			"comments":  func() { write(t, file, "# nothing\n", 0o644) },
			"cut":       func() { write(t, file, "hooks:\n  shutdown:\n", 0o644) },
			"broken":    func() { write(t, file, "hooks: [", 0o644) },
			"gone":      func() { os.Remove(file) },
			"directory": func() { os.Remove(file); mkdir(t, file) },
		} {
			change()
			for what, last := range map[string]*Config{"the agent": c, "an exec": kept(t, c)} {
				next, err := Update(s, last)
				if err == nil || !strings.Contains(err.Error(), dir[:40]) { // a long value is cut
					t.Errorf("%s, file given %v, %s: error %v", name, given, what, err)
				}
				if len(next.Hooks[Shutdown].Steps) != 1 || next.Source != file || !next.Fresh() {
					t.Errorf("%s, file given %v, %s: %+v in force", name, given, what, next)
				}
			}
			os.Remove(file)
			write(t, file, good, 0o644)
			if next, err := Update(s, c); err != nil || next.Fresh() != true {
				t.Errorf("%s, file given %v: mended, error %v", name, given, err)
			}
		}
	}
}

// TestStepsGoByTheTextOfTheContainer: podhook in a step does not have the variable. It uses
// the saved text.
func TestStepsGoByTheTextOfTheContainer(t *testing.T) {
	c, err := Load(Source{Dir: t.TempDir(), Text: "hooks: {other: {steps: [{sleep: 1ms}]}}"})
	if err != nil {
		t.Fatal(err)
	}
	next, err := Update(Source{Dir: t.TempDir()}, kept(t, c))
	if err != nil || next.Hooks["other"] == nil {
		t.Errorf("got %v, %v", next.Hooks, err)
	}
}

// scriptsOf returns the names of the scripts that the hook runs, with ! before those that fail.
func scriptsOf(c *Config, hook string) string {
	var names []string
	for _, step := range c.Hooks[hook].Steps {
		a, ok := step.Action.(Scripts)
		if !ok {
			continue
		}
		for _, s := range c.Hooks[hook].Scripts(a) {
			if s.Err != nil {
				s.Name = "!" + s.Name
			}
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, " ")
}

// TestUpdateKeepsGoodScripts: the scripts that were last good stay in force, whatever happens
// to the directory. Good ones run before those that fail.
func TestUpdateKeepsGoodScripts(t *testing.T) {
	const good, bad = "#!/bin/sh\n", "no interpreter\n"
	for _, yaml := range []bool{false, true} {
		dir := t.TempDir()
		in := func(name string) string { return filepath.Join(dir, "shutdown.d", name) }
		s := Source{Dir: dir}
		if yaml {
			s.Text = "hooks: {shutdown: {steps: [{scripts: " + in("") + "}]}}"
		}
		write(t, in("10-a"), good, 0o755)
		write(t, in("20-b"), good, 0o755)
		c, err := Load(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			name         string
			change       func()
			runs, refuse string
		}{
			{"nothing", func() {}, "10-a 20-b", ""},
			{"a bad one", func() { write(t, in("15-x"), bad, 0o755) }, "10-a 20-b", in("15-x")},
			{"a good one beside a bad one", func() { write(t, in("30-c"), good, 0o755) }, "10-a 20-b", in("15-x")},
			{"a good one becomes bad", func() { write(t, in("10-a"), bad, 0o755) }, "20-b !10-a", in("10-a")},
			{"a good one is gone", func() { os.Remove(in("10-a")) }, "20-b !10-a", in("15-x")},
			{"mended", func() { os.Remove(in("15-x")) }, "20-b 30-c", ""},
			{"one fewer", func() { os.Remove(in("30-c")) }, "20-b", ""},
			{"none", func() { os.Remove(in("20-b")) }, "!20-b", "has no scripts any more"},
			{"only a bad one", func() { write(t, in("20-b"), "", 0o755) }, "!20-b", "an empty file"},
			{"no directory", func() { os.RemoveAll(in("")) }, "!20-b", "does not exist"},
			{"a file in its place", func() { write(t, filepath.Join(dir, "shutdown.d"), "", 0o644) }, "!20-b", ""},
			{"a directory again", func() { os.Remove(filepath.Join(dir, "shutdown.d")); write(t, in("40-d"), good, 0o755) }, "40-d", ""},
		} {
			step.change()
			if c.Fresh() != (step.name == "nothing") {
				t.Errorf("%s, YAML %v: fresh is %v", step.name, yaml, c.Fresh())
			}
			var next *Config
			for what, last := range map[string]*Config{"the agent": c, "an exec": kept(t, c)} {
				if next, err = Update(s, last); scriptsOf(next, Shutdown) != step.runs {
					t.Errorf("%s, YAML %v, %s: runs %s, want %s", step.name, yaml, what, scriptsOf(next, Shutdown), step.runs)
				}
				if refused := step.refuse != "" || step.name == "a file in its place"; refused != (err != nil) || err != nil && !strings.Contains(err.Error(), step.refuse) {
					t.Errorf("%s, YAML %v, %s: error %v, want %q", step.name, yaml, what, err, step.refuse)
				}
				if !next.Fresh() {
					t.Errorf("%s, YAML %v, %s: not fresh", step.name, yaml, what)
				}
			}
			c = next
		}
	}
}

// TestUpdateRefusesNewScriptsThatAreBad: a file that names scripts which were never good is
// refused as a whole, and accepted after the scripts are fixed.
func TestUpdateRefusesNewScriptsThatAreBad(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "podhook.yaml"), "hooks: {shutdown: {steps: [{sleep: 1ms}]}}\n", 0o644)
	c, err := Load(Source{File: file, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	script := write(t, filepath.Join(dir, "new", "script"), "no interpreter\n", 0o644)
	write(t, file, "hooks: {shutdown: {steps: [{scripts: "+filepath.Dir(script)+"}]}}\n", 0o644)
	c, err = Update(c.source, c)
	if err == nil || !strings.Contains(err.Error(), script) || c.Hooks[Shutdown].Steps[0].Action != (Sleep{time.Millisecond}) {
		t.Errorf("got %+v, %v", c.Hooks[Shutdown], err)
	}
	write(t, script, "#!/bin/sh\n", 0o644)
	if c.Fresh() {
		t.Error("that the script is mended is not seen")
	}
	if c, err = Update(c.source, c); err != nil || scriptsOf(c, Shutdown) != "script" {
		t.Errorf("got %+v, %v", c.Hooks[Shutdown], err)
	}
}

// TestLoadForACall: without a last good configuration, a call of shutdown or poststop runs
// the good scripts, and then fails because of the bad ones.
func TestLoadForACall(t *testing.T) {
	dir := t.TempDir()
	for _, hook := range []string{"prestart", "shutdown", "poststop", "own"} {
		write(t, filepath.Join(dir, hook+".d", "10-bad"), "no interpreter\n", 0o755)
		write(t, filepath.Join(dir, hook+".d", "20-good"), "#!/bin/sh\n", 0o755)
	}
	mkdir(t, filepath.Join(dir, "preStop.d")) // is no hook's, and not this one's
	for _, hook := range []string{"shutdown", "poststop"} {
		c, err := Load(Source{Dir: dir, Hook: hook})
		if err != nil {
			t.Fatal(err)
		}
		if got := scriptsOf(c, hook); got != "20-good !10-bad" {
			t.Errorf("%s runs %s", hook, got)
		}
		if !slices.ContainsFunc(lines(c.Warnings), func(line string) bool { return strings.Contains(line, "preStop.d") }) {
			t.Errorf("warnings %q", lines(c.Warnings))
		}
	}
	for _, hook := range []string{"", "prestart", "own"} {
		if _, err := Load(Source{Dir: dir, Hook: hook}); err == nil {
			t.Errorf("hook %q: no error", hook)
		}
	}
	// A directory that cannot be read fails the hook too.
	c, err := Load(Source{Dir: dir, Hook: "shutdown", Text: "hooks: {shutdown: {steps: [{scripts: /no/such}]}}"})
	if err != nil || scriptsOf(c, "shutdown") != "!" {
		t.Errorf("got %v, %v", c, err)
	}
}

// TestTooManyScripts: the record must hold all scripts.
func TestTooManyScripts(t *testing.T) {
	testutil.Slow(t)
	dir := t.TempDir()
	name := func(i int) string {
		return filepath.Join(dir, "many", strings.Repeat("x", i/100+1)+string(rune('a'+i%100/10))+string(rune('a'+i%10)))
	}
	for i := range maxSteps {
		write(t, name(i), "#!/bin/sh\n", 0o755)
	}
	const yaml = "hooks: {shutdown: {steps: [{sleep: 1ms}, {scripts: DIR/many}]}}"
	s := Source{Dir: dir, Text: strings.ReplaceAll(yaml, "DIR", dir)}
	want := filepath.Join(dir, "many") + ": hooks.shutdown, step scripts-many: with these scripts the hook has 1001 steps; 1000 are allowed"
	if _, err := Load(s); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	os.Remove(name(7))
	c, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name(7), "#!/bin/sh\n", 0o755)
	if c, err = Update(s, c); err == nil || err.Error() != want || len(c.Hooks[Shutdown].Scripts(Scripts{Dir: filepath.Join(dir, "many")})) != maxSteps-1 {
		t.Errorf("%d scripts, %v", len(c.Hooks[Shutdown].Scripts(Scripts{Dir: filepath.Join(dir, "many")})), err)
	}
}
