package config

import (
	"errors"
	"testing"
	"time"
)

// FuzzParse: whatever the text is, Parse ends soon, does not panic, and gives
// either a whole configuration or an *Errors.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "# nothing\n", "---\n", "hooks:\n", example,
		"hooks:\n  a: &a {steps: [{exec: [x]}]}\n  b: *a\n",
		"hooks: &a\n  demo: *a\n",
		"hooks:\n\tdemo: {}\n",
		"hooks:\n  a:\n    steps: [{sleep: 5, timeout: -1s}]\n    paths: [/x, /x]\n    marker: x\n",
		"a: |\n  b\n...\n---\n? [c]\n: !!binary d\n<<: *e\n%YAML 1.1\n",
		"\ufeffhooks: {}\r\n", "hooks: {\"a\\0\": ~}", "- - - -\n", "? ? ?\n", "'", "\"\\x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		start := time.Now()
		c, err := Parse("f.yaml", text, nil)
		if took := time.Since(start); took > time.Second {
			t.Errorf("took %s", took)
		}
		var errs *Errors
		if err != nil {
			if !errors.As(err, &errs) || c != nil || err.Error() == "" {
				t.Fatalf("got %v and %#v", c, err)
			}
			return
		}
		checkWhole(t, c)
		c.Check(30*time.Second, 2*time.Second)
	})
}

// checkWhole holds what everybody who gets a configuration relies on.
func checkWhole(t *testing.T, c *Config) {
	t.Helper()
	for _, name := range builtin() {
		if c.Hooks[name] == nil {
			t.Errorf("no hook %s", name)
		}
	}
	for name, h := range c.Hooks {
		if h.Name != name || !isLabel(name) || h.Timeout < minDuration || h.Timeout > maxDuration {
			t.Errorf("hook %q: %+v", name, h)
		}
		names := map[string]bool{}
		for _, s := range h.Steps {
			if s.Action == nil || !isStepName(s.Name) || names[s.Name] || s.KillAfter < minDuration ||
				s.OnFailure != Fail && s.OnFailure != Continue {
				t.Errorf("hook %q: step %+v", name, s)
			}
			names[s.Name] = true
			if exec, ok := s.Action.(Exec); ok && (len(exec.Argv) == 0 || exec.Argv[0] == "") {
				t.Errorf("hook %q: step %+v without a program", name, s)
			}
		}
	}
}
