package config

import (
	"errors"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/hookname"
)

// everyKind has every kind of step and every field.
const everyKind = `hooks:
  a:
    timeout: 20s
    steps:
    - {name: x, exec: [a, "$$ ${A} $B"], retries: 2, backoff: 1s, retryOn: [7, timeout], user: "1:2", env: {A: b}, workingDir: /, killAfter: 1s}
    - {http: {url: "unix:/s:/p", method: PUT, headers: {A: b, C: {prefix: d, file: /e}}, body: f, status: [200, 3xx, 404-410]}, always: true}
    - {wait: {metric: {url: "https://h:1/p", name: m, labels: {l: v}, atMost: 0, atLeast: -1, goneIs: done, caFile: /ca, certFile: /c, keyFile: /k}, interval: 1s}, timeout: 3s}
    - {wait: {http: http://h}, onFailure: ignore, when: {trigger: [exec, signal], podEnds: true}}
    - parallel: [{wait: {tcp: "h:1"}}, {wait: {gone: /x}, once: true}, {wait: {exit: main}}, {wait: {file: /x}}, {sleep: 1s}]
    - {signal: {signal: RTMIN+3, to: "name:nginx"}}
    - {write: {file: /f, content: c, mode: 0600}}
    - {remove: /f}
    - {scripts: {dir: /d, match: "*.sh"}}
`

// FuzzParse: for any text Parse ends soon, does not panic, and returns either a whole
// configuration or an *Errors.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "# nothing\n", "---\n", "hooks:\n", example,
		"hooks:\n  a: &a {steps: [{exec: [x]}]}\n  b: *a\n",
		"hooks: &a\n  demo: *a\n",
		"hooks:\n\tdemo: {}\n",
		"hooks:\n  a:\n    steps: [{sleep: 5, timeout: -1s}]\n    paths: [/x, /x]\n    marker: x\n",
		"a: |\n  b\n...\n---\n? [c]\n: !!binary d\n<<: *e\n%YAML 1.1\n",
		everyKind, "hooks:\n  a:\n    timeout: ${T}\n    steps:\n    - http: ${URL:-x}\n      retries: ${N}\n      env: {$$: ${EMPTY}}\n",
		"\ufeffhooks: {}\r\n", "hooks: {\"a\\0\": ~}", "- - - -\n", "? ? ?\n", "'", "\"\\x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		start := time.Now()
		c, err := Parse("f.yaml", text, []string{"A=a", "EMPTY=", "N=5", "T=5s", "URL=http://a"})
		if took := time.Since(start); took > 20*time.Second {
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

// checkWhole checks what users of a configuration rely on.
func checkWhole(t *testing.T, c *Config) {
	t.Helper()
	for _, name := range Builtin() {
		if c.Hooks[name] == nil {
			t.Errorf("no hook %s", name)
		}
	}
	for name, h := range c.Hooks {
		if h.Name != name || !hookname.Valid(name) || h.Timeout < minDuration || h.Timeout > maxDuration {
			t.Errorf("hook %q: %+v", name, h)
		}
		if w := h.WorstCase(); w.Sum < 0 || w.String() == "" && len(w.Parts) > 0 || h.Reserve(0) < 0 || h.Reserve(0) > h.Timeout/2 {
			t.Errorf("hook %q: worst case %+v, reserve %v", name, w, h.Reserve(0))
		}
		names := map[string]bool{}
		for _, s := range h.Steps {
			if s.Action == nil || !isStepName(s.Name) || names[s.Name] || s.KillAfter < minDuration ||
				s.OnFailure != Fail && s.OnFailure != Continue && s.OnFailure != Ignore || s.Retry.Times < 0 || s.Retry.Times > 0 && s.Retry.Backoff <= 0 {
				t.Errorf("hook %q: step %+v", name, s)
			}
			names[s.Name] = true
			if exec, ok := s.Action.(Exec); ok && (len(exec.Argv) == 0 || exec.Argv[0] == "") {
				t.Errorf("hook %q: step %+v without a program", name, s)
			}
		}
	}
}
