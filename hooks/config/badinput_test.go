package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/hookname"
	"github.com/podhook/podhook/internal/testutil"
)

const (
	allKeys   = "allowed: name, timeout, retries, backoff, retryOn, onFailure, once, always, when, env, workingDir, user, quiet, noNewPrivileges, killAfter, exec, scripts, http, wait, signal, sleep, write, remove, parallel"
	oneOf     = "a step has exactly one of exec, scripts, http, wait, signal, sleep, write, remove, parallel"
	watchRule = "a list of files and directories, such as [/etc/nginx]"
	tellsRule = "a path that tells of its changes; / is too much, and /proc and /sys tell of none"
	unitRule  = "a duration with a unit, such as 5s or 1m30s"
	execRule  = "a list of the program and its arguments, such as [/scripts/render.sh, --strict]"
)

// inStep makes lines the first step of a hook. They begin on line 4.
func inStep(lines string) string {
	return "hooks:\n  demo:\n    steps:\n    - " + strings.ReplaceAll(lines, "\n", "\n      ") + "\n"
}

// TestParseRefuses compares whole messages, as people see them.
func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		name string
		yaml string
		want []string
	}{
		// The document.
		{"nothing", "", []string{": empty; " + noHooks}},
		{"blank", " \n\n", []string{": empty; " + noHooks}},
		{"comments", "# hooks:\n#   shutdown: {}\n", []string{": empty; " + noHooks}},
		{"the begin of a document", "---\n", []string{"2: no value; " + noHooks}},
		{"null", "~\n", []string{"1: no value; " + noHooks}},
		{"no key", "{}\n", []string{"1: has no hooks; " + noHooks}},
		{"cut behind hooks", "hooks:\n", []string{"1: hooks: no value; " + noHooks}},
		{"cut behind a hook", "hooks:\n  shutdown:\n", []string{"2: hooks.shutdown: no value; a mapping with steps, timeout, paths, marker and watch; write {} for a hook that does nothing"}},
		{"cut behind steps", "hooks:\n  shutdown:\n    steps:\n", []string{"3: hooks.shutdown.steps: no value; a list of steps, such as [{sleep: 5s}]"}},
		{"too many steps", "hooks:\n  a:\n    steps:\n" + strings.Repeat("    - sleep: 1s\n", maxSteps+1), []string{"2: hooks.a: has 1001 steps; 1000 are allowed"}},
		{"a list", "- a\n", []string{"1: is a list; a mapping with the keys hooks, ready and mask"}},
		{"a text", "hooks\n", []string{"1: a mapping with the keys hooks, ready and mask"}},
		{"unknown top key", "hook: {}\n", []string{`1: "hook": no such field, did you mean "hooks"?`}},
		{"far from any key", "version: 1\n", []string{`1: "version": no such field; allowed: hooks, ready, mask`}},
		{"two documents", "hooks:\n---\nhooks:\n", []string{"2: a second YAML document begins here; the hooks must be in one"}},
		{"broken second document", "hooks:\n---\n[\n", []string{"3: not valid YAML: did not find expected node content"}},
		{"tab", "hooks:\n\tdemo: {}\n", []string{"2: not valid YAML: a tab in the indentation; YAML takes only spaces"}},
		{"wrong indentation", "hooks:\n  a:\n    steps:\n    - sleep: 1s\n     name: b\n  c:\n",
			[]string{"5: not valid YAML: this line does not continue the lines above it: look at its indentation, and at the quotes and brackets above"}},
		{"open bracket", "hooks: {a: [}\n", []string{"1: not valid YAML: did not find expected node content"}},
		{"unknown anchor", "hooks:\n  demo: *nothing\n", []string{"2: not valid YAML: an alias, which begins with *, without its anchor; quotes make a text"}},
		{"NUL", "hooks:\n  a\x00b:\n", []string{"2: not UTF-8 text, or a control character in it"}},
		{"not UTF-8", "hooks:\n\n  a: \"\xff\"\n", []string{"3: not UTF-8 text, or a control character in it"}},
		{"tag", "hooks:\n  demo: {timeout: !!binary MTBz}\n", []string{"2: a tag, which begins with !; tags are not supported, quotes make a text"}},
		{"too large", "# " + strings.Repeat("x", maxSize), []string{": larger than 1048576 bytes"}},

		// Keys.
		{"key twice", "hooks:\n  demo:\n    timeout: 5s\n    marker: /a\n    timeout: 6s\n",
			[]string{"5: hooks.demo.timeout: given twice, first on line 3"}},
		{"hook twice", "hooks:\n  demo: {}\n  other: {}\n  demo: {}\n", []string{"4: hooks.demo: given twice, first on line 2"}},
		{"key that is a list", "hooks:\n  demo:\n    ? [a]\n    : 1\n", []string{"3: hooks.demo: is a list; a key must be a plain text"}},
		{"merge key", "hooks:\n  a: &a {timeout: 5s}\n  b:\n    <<: *a\n",
			[]string{`4: hooks.b: "<<": merge keys are not supported; write the fields out, or repeat a whole value with an alias`}},
		{"misspelt", "hooks:\n  demo:\n    timout: 5s\n",
			[]string{`3: hooks.demo: "timout": no such field, did you mean "timeout"?`}},
		{"misspelt by case", inStep("sleep: 5s\nonfailure: fail"),
			[]string{`5: hooks.demo.steps[0]: "onfailure": no such field, did you mean "onFailure"?`}},
		{"misspelt action, one error", inStep("exce: [a]"),
			[]string{`4: hooks.demo.steps[0]: "exce": no such field, did you mean "exec"?`}},
		{"key of 300 characters", inStep("sleep: 5s\n" + long + ": 1"),
			[]string{`5: hooks.demo.steps[0]: "` + long[:60] + `"... (300 bytes): no such field; ` + allKeys}},

		// Hooks.
		{"hooks as a list", "hooks:\n- demo\n", []string{"2: hooks: is a list; a mapping of hook names, such as prestart and shutdown"}},
		{"a hook as a list", "hooks:\n  demo: [a]\n", []string{"2: hooks.demo: is a list; a mapping with steps, timeout, paths, marker and watch; write steps: above the list",
			`2: hooks.demo[0]: "a": a mapping; write - exec: [a]`}},
		{"Kubernetes' word", "hooks:\n  preStop:\n", []string{
			`2: hooks: "preStop": ` + hookname.Rule + "; the hook for Kubernetes' preStop is shutdown"}},
		{"name of 300 characters", "hooks:\n  " + long + ":\n", []string{`2: hooks: "` + long[:60] + `"... (300 bytes): ` + hookname.Rule}},
		{"name with a dot", "hooks:\n  a.b:\n", []string{`2: hooks: "a.b": ` + hookname.Rule}},
		{"name with a dash at its end", "hooks:\n  a-:\n", []string{`2: hooks: "a-": ` + hookname.Rule}},
		{"empty name", "hooks:\n  \"\":\n", []string{"2: hooks: " + hookname.Rule}},
		{"relative marker", "hooks:\n  demo:\n    marker: done\n",
			[]string{`3: hooks.demo.marker: "done": an absolute path, such as /etc/podhook/file`}},
		{"watch on a built-in hook", "hooks:\n  shutdown:\n    watch: [/a]\n",
			[]string{"3: hooks.shutdown.watch: shutdown is run at its own moment of the container's life; write watch into a hook of your own, such as reload"}},
		{"watch of nothing", "hooks:\n  a: {watch: }\n  b: {watch: []}\n  c: {watch: /a}\n", []string{
			"2: hooks.a.watch: " + watchRule + "; at least one and at most 100", "3: hooks.b.watch: " + watchRule + "; at least one and at most 100",
			`4: hooks.c.watch: "/a": ` + watchRule}},
		{"watch of what does not tell", "hooks:\n  a:\n    watch: [/, //proc/1, /sys/, etc]\n", []string{
			`3: hooks.a.watch[0]: "/": ` + tellsRule, `3: hooks.a.watch[1]: "//proc/1": ` + tellsRule, `3: hooks.a.watch[2]: "/sys/": ` + tellsRule,
			`3: hooks.a.watch[3]: "etc": an absolute path, such as /etc/podhook/file`}},
		{"debounce", "hooks:\n  a: {watch: [/a], debounce: 5ms}\n  b: {watch: [/a], debounce: 61s}\n  c: {watch: [/a], debounce: 1}\n  d: {debounce: 1s}\n", []string{
			`2: hooks.a.debounce: "5ms": a duration from 10ms to 1m`, `3: hooks.b.debounce: "61s": a duration from 10ms to 1m`,
			`4: hooks.c.debounce: "1": a duration needs a unit: write 1s`, "5: hooks.d.debounce: means nothing without watch"}},
		{"marker in what is watched", "hooks:\n  a: {watch: [/etc/app/], marker: /etc/app/x/done}\n",
			[]string{`2: hooks.a.marker: "/etc/app/x/done": is in /etc/app, which the hook watches: each run would be followed by another; write a path elsewhere`}},
		{"watch as a hook", "hooks:\n  reload: {}\n  watch: [/a]\n", []string{"3: hooks: \"watch\": is a field of a hook: indent it under the hook's name"}},
		{"marker twice", "hooks:\n  a:\n    marker: /done\n  b:\n    marker: /done\n",
			[]string{`5: hooks.b.marker: "/done": is already a marker of the hook a, on line 3`}},
		{"path of podhook's own", "hooks:\n  demo:\n    paths: [/status]\n", []string{
			`3: hooks.demo.paths[0]: "/status": a path of podhook's own; taken are /prestart, /shutdown, /hooks, /status, /metrics, /livez, /healthz, /readyz and all below /hooks/`}},
		{"path below /hooks", "hooks:\n  demo:\n    paths: [/hooks/demo]\n", []string{
			`3: hooks.demo.paths[0]: "/hooks/demo": a path of podhook's own; taken are /prestart, /shutdown, /hooks, /status, /metrics, /livez, /healthz, /readyz and all below /hooks/`}},
		{"paths that are none", "hooks:\n  demo:\n    paths:\n    - api\n    - /a/{b}\n    - /*\n    - /a?b\n    - /a//b\n    - /a/../b\n    - \"\"\n    - [a]\n", []string{
			`4: hooks.demo.paths[0]: "api": an HTTP path begins with /, such as /api/shutdown`,
			`5: hooks.demo.paths[1]: "/a/{b}": an HTTP path of letters, digits, / and -._~!$&'()+,;=:@ only; no wildcards, no query`,
			`6: hooks.demo.paths[2]: "/*": an HTTP path of letters, digits, / and -._~!$&'()+,;=:@ only; no wildcards, no query`,
			`7: hooks.demo.paths[3]: "/a?b": an HTTP path of letters, digits, / and -._~!$&'()+,;=:@ only; no wildcards, no query`,
			`8: hooks.demo.paths[4]: "/a//b": an HTTP path without empty, . and .. parts`,
			`9: hooks.demo.paths[5]: "/a/../b": an HTTP path without empty, . and .. parts`,
			`10: hooks.demo.paths[6]: empty; an HTTP path begins with /, such as /api/shutdown`,
			`11: hooks.demo.paths[7]: is a list; an HTTP path, such as /api/shutdown`}},
		{"path of 300 characters", "hooks:\n  demo:\n    paths: [/" + long + "]\n",
			[]string{`3: hooks.demo.paths[0]: "/` + long[:59] + `"... (301 bytes): an HTTP path of at most 255 bytes`}},
		{"path of another hook", "hooks:\n  a:\n    paths: [/x]\n  b:\n    paths:\n    - /x\n",
			[]string{`6: hooks.b.paths[0]: "/x": is already a path of the hook a, on line 3`}},
		{"path twice", "hooks:\n  a:\n    paths: [/x, /x]\n",
			[]string{`3: hooks.a.paths[1]: "/x": is already a path of the hook a, on line 3`}},
		{"paths as a text", "hooks:\n  a:\n    paths: /x\n",
			[]string{`3: hooks.a.paths: "/x": a list of HTTP paths, such as [/api/shutdown]`}},

		// Durations.
		{"no unit", "hooks:\n  demo:\n    timeout: 5\n", []string{`3: hooks.demo.timeout: "5": a duration needs a unit: write 5s`}},
		{"zero", "hooks:\n  demo:\n    timeout: 0\n", []string{`3: hooks.demo.timeout: "0": ` + unitRule}},
		{"zero seconds", "hooks:\n  demo:\n    timeout: 0s\n", []string{`3: hooks.demo.timeout: "0s": a duration from 1ms to 24h`}},
		{"negative", "hooks:\n  demo:\n    timeout: -5s\n", []string{`3: hooks.demo.timeout: "-5s": a duration from 1ms to 24h`}},
		{"absurd", "hooks:\n  demo:\n    timeout: 24h1s\n", []string{`3: hooks.demo.timeout: "24h1s": a duration from 1ms to 24h`}},
		{"more than an int64", "hooks:\n  demo:\n    timeout: 99999999999h\n", []string{`3: hooks.demo.timeout: "99999999999h": ` + unitRule}},
		{"words", "hooks:\n  demo:\n    timeout: five seconds\n", []string{`3: hooks.demo.timeout: "five seconds": ` + unitRule}},
		{"empty", "hooks:\n  demo:\n    timeout: \"\"\n", []string{`3: hooks.demo.timeout: empty; ` + unitRule}},
		{"nothing", "hooks:\n  demo:\n    timeout:\n", []string{`3: hooks.demo.timeout: no value; ` + unitRule}},
		{"a list", "hooks:\n  demo:\n    timeout: [5s]\n", []string{`3: hooks.demo.timeout: is a list; ` + unitRule}},

		// Steps.
		{"steps as a mapping", "hooks:\n  demo:\n    steps: {sleep: 5s}\n",
			[]string{"3: hooks.demo.steps: is a mapping; a list of steps, such as [{sleep: 5s}]"}},
		{"a step as a text", inStep("sleep"), []string{`4: hooks.demo.steps[0]: "sleep": a mapping such as {sleep: 5s}`}},
		{"an empty step", inStep("~"), []string{"4: hooks.demo.steps[0]: has no action; " + oneOf}},
		{"no action", inStep("name: a"), []string{"4: hooks.demo.steps[0]: has no action; " + oneOf}},
		{"two actions", inStep("sleep: 5s\nsignal: QUIT"), []string{"4: hooks.demo.steps[0]: has the actions sleep and signal; " + oneOf}},
		{"three actions", inStep("sleep: 5s\nsignal: QUIT\nexec: [a]"),
			[]string{"4: hooks.demo.steps[0]: has the actions sleep and signal and exec; " + oneOf}},
		{"name of 300 characters", inStep("sleep: 5s\nname: " + long),
			[]string{`5: hooks.demo.steps[0].name: "` + long[:60] + `"... (300 bytes): ` + stepNameRule}},
		{"name with a blank", inStep("sleep: 5s\nname: a b"), []string{`5: hooks.demo.steps[0].name: "a b": ` + stepNameRule}},
		{"name with an escape", inStep("sleep: 5s\nname: \"\\e[31m\""), []string{`5: hooks.demo.steps[0].name: "\x1b[31m": ` + stepNameRule}},
		{"name that is a way", inStep("sleep: 5s\nname: ../a"), []string{`5: hooks.demo.steps[0].name: "../a": ` + stepNameRule}},
		{"empty name", inStep("sleep: 5s\nname: \"\""), []string{`5: hooks.demo.steps[0].name: empty; ` + stepNameRule}},
		{"name twice", "hooks:\n  a:\n    steps:\n    - {name: x, sleep: 1s}\n    - sleep: 1s\n      name: x\n",
			[]string{`6: hooks.a.steps[1].name: "x": is already the name of a step of this hook, on line 4`}},
		{"policy", inStep("sleep: 5s\nonFailure: retry"), []string{`5: hooks.demo.steps[0].onFailure: "retry": fail, continue or ignore`}},
		{"once", inStep("sleep: 5s\nonce: yes"), []string{`5: hooks.demo.steps[0].once: "yes": true or false`}},
		{"no program to set up", inStep("sleep: 5s\nenv: {A: b}\nworkingDir: /\nkillAfter: 1s\nnoNewPrivileges: true"), []string{
			"5: hooks.demo.steps[0].env: means nothing here; the action sleep starts no program",
			"6: hooks.demo.steps[0].workingDir: means nothing here; the action sleep starts no program",
			"7: hooks.demo.steps[0].killAfter: means nothing here; the action sleep starts no program",
			"8: hooks.demo.steps[0].noNewPrivileges: means nothing here; the action sleep starts no program"}},
		{"noNewPrivileges", inStep("exec: [a]\nnoNewPrivileges: yes"), []string{`5: hooks.demo.steps[0].noNewPrivileges: "yes": true or false`}},
		{"sleep never in time", inStep("sleep: 10s\ntimeout: 10s"),
			[]string{`4: hooks.demo.steps[0].timeout: "10s": not longer than the sleep of 10s; the step would always time out`}},
		{"relative workingDir", inStep("exec: [a]\nworkingDir: b"),
			[]string{`5: hooks.demo.steps[0].workingDir: "b": an absolute path, such as /etc/podhook/file`}},
		{"NUL in workingDir", inStep("exec: [a]\nworkingDir: \"/a\\0\""),
			[]string{`5: hooks.demo.steps[0].workingDir: "/a\x00": a path without control characters`}},
		{"path too long", inStep("scripts: /" + strings.Repeat("a/", 2100)),
			[]string{`4: hooks.demo.steps[0].scripts: "/` + strings.Repeat("a/", 29) + `a"... (4201 bytes): a path of at most 4095 bytes`}},

		// exec
		{"shell line", inStep("exec: /bin/foo --bar"),
			[]string{`4: hooks.demo.steps[0].exec: "/bin/foo --bar": a list, never a shell line; write exec: [/bin/foo, --bar]`}},
		{"shell line that needs a shell", inStep("exec: cd /tmp && ls"),
			[]string{`4: hooks.demo.steps[0].exec: "cd /tmp && ls": a list, never a shell line; write exec: [sh, -c, "cd /tmp && ls"]`}},
		{"empty argv", inStep("exec: []"), []string{"4: hooks.demo.steps[0].exec: empty; " + execRule}},
		{"no argv", inStep("exec:"), []string{"4: hooks.demo.steps[0].exec: empty; " + execRule}},
		{"argv as a mapping", inStep("exec: {a: b}"), []string{"4: hooks.demo.steps[0].exec: is a mapping; " + execRule}},
		{"empty program", inStep("exec: [\"\", a]"), []string{"4: hooks.demo.steps[0].exec[0]: empty; the program to run"}},
		{"nothing as an argument", inStep("exec: [a, ~]"), []string{`4: hooks.demo.steps[0].exec[1]: no value; a text; write "" for an empty argument`}},
		{"list as an argument", inStep("exec: [a, [b]]"), []string{`4: hooks.demo.steps[0].exec[1]: is a list; a text; write "" for an empty argument`}},
		{"NUL in an argument", inStep(`exec: [a, "b\0c"]`),
			[]string{`4: hooks.demo.steps[0].exec[1]: "b\x00c": a NUL byte cannot be passed to a program`}},
		{"argument too long", inStep("exec:\n- a\n- " + strings.Repeat("y", maxArg+1)),
			[]string{`6: hooks.demo.steps[0].exec[1]: "` + strings.Repeat("y", 60) + `"... (131072 bytes): at most 131071 bytes can be passed to a program in one piece`}},

		// env
		{"env as a list", inStep("exec: [a]\nenv: [A=b]"),
			[]string{"5: hooks.demo.steps[0].env: is a list; a mapping of names to values, such as {MODE: fast}"}},
		{"names of variables", inStep("exec: [a]\nenv:\n  A=B: c\n  \"\": d\n  É: e\n  \"A\\0\": f"), []string{
			`6: hooks.demo.steps[0].env: "A=...": the name of a variable is printable ASCII without =`,
			`7: hooks.demo.steps[0].env: the name of a variable is printable ASCII without =`,
			`8: hooks.demo.steps[0].env: "É": the name of a variable is printable ASCII without =`,
			`9: hooks.demo.steps[0].env: "A\x00": the name of a variable is printable ASCII without =`}},
		{"podhook's variable", inStep("exec: [a]\nenv: {PODHOOK_RUN_ID: x}"),
			[]string{`5: hooks.demo.steps[0].env: "PODHOOK_RUN_ID": is set by podhook itself for every step`}},
		{"values of variables", inStep("exec: [a]\nenv:\n  A:\n  B: [c]\n  C: \"\\0\""), []string{
			`6: hooks.demo.steps[0].env.A: no value; a text; write "" for an empty one`,
			`7: hooks.demo.steps[0].env.B: is a list; a text; write "" for an empty one`,
			`8: hooks.demo.steps[0].env.C: a NUL byte cannot be passed to a program`}},

		// scripts, signal
		{"scripts", inStep("scripts: shutdown.d"), []string{`4: hooks.demo.steps[0].scripts: "shutdown.d": an absolute path, such as /etc/podhook/file`}},
		{"signal", inStep("signal: QIUT"), []string{`4: hooks.demo.steps[0].signal: "QIUT": ` + signalRule}},
		{"signal 0", inStep("signal: 0"), []string{`4: hooks.demo.steps[0].signal: "0": ` + signalRule}},
		{"signal 65", inStep("signal: 65"), []string{`4: hooks.demo.steps[0].signal: "65": ` + signalRule}},
		{"real-time signal", inStep("signal: RTMIN+31"), []string{`4: hooks.demo.steps[0].signal: "RTMIN+31": ` + signalRule}},

		// All together, in the order of the file.
		{"several", "hooks:\n  a:\n    timeout: 1\n    steps:\n    - sleep: x\n      onFailure: y\n    - exec: z\n  B: {timeout: 2}\n", []string{
			`3: hooks.a.timeout: "1": a duration needs a unit: write 1s`,
			`5: hooks.a.steps[0].sleep: "x": ` + unitRule,
			`6: hooks.a.steps[0].onFailure: "y": fail, continue or ignore`,
			`7: hooks.a.steps[1].exec: "z": a list, never a shell line; write exec: [z]`,
			`8: hooks: "B": ` + hookname.Rule,
			`8: hooks.B.timeout: "2": a duration needs a unit: write 2s`}},
		{"inside an alias", "hooks:\n  a:\n    steps: &s\n    - sleep: 5\n  b:\n    steps: *s\n", []string{
			`4: hooks.a.steps[0].sleep: "5": a duration needs a unit: write 5s`,
			`4: hooks.b.steps[0].sleep: "5": a duration needs a unit: write 5s`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(tt.yaml), nil)
			var errs *Errors
			if !errors.As(err, &errs) {
				t.Fatalf("error %v is no *Errors", err)
			}
			var want strings.Builder
			for i, line := range tt.want {
				if i > 0 {
					want.WriteByte('\n')
				}
				want.WriteString("f.yaml" + colon(line))
			}
			if err.Error() != want.String() {
				t.Errorf("got\n%s\nwant\n%s", err, &want)
			}
		})
	}
}

// colon adds a colon after the file if there is a line.
func colon(want string) string {
	if strings.HasPrefix(want, ":") {
		return want
	}
	return ":" + want
}

// TestParseRefusesBombs: small texts that stand for huge ones are refused at once.
func TestParseRefusesBombs(t *testing.T) {
	testutil.Slow(t)
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for _, n := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		before := string(n[0] - 1)
		laughs += "a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+before+", ", 9), ", ") + "]\n"
	}
	items := make([]string, 60_000)
	for i := range items {
		items[i] = "- x"
	}
	tests := []struct{ name, yaml, want string }{
		{"billion laughs", laughs, "more than 50000 values, counted as often as aliases repeat them"},
		{"too many values", strings.Join(items, "\n"), "more than 50000 values"},
		{"anchor in itself", "hooks: &a\n  demo: *a\n", "f.yaml:1: an anchor that contains itself"},
		{"deep", "hooks:\n  demo: " + strings.Repeat("[", 40) + strings.Repeat("]", 40), "f.yaml:2: nested deeper than 32 levels"},
		{"very deep", strings.Repeat("[", 500_000), "exceeded max depth"},
		{"deep by indentation", strings.Repeat("- ", 9_000) + "x", "nested deeper than 32 levels"},
		{"long key", "? " + strings.Repeat("a", 500_000) + "\n: b", "no such field"},
		{"many aliases", "a: &a x\nb: [" + strings.Repeat("*a,", 100_000) + "]\n", "more than 50000 values"},
		{"an anchor's name without end", "a: *" + strings.Repeat("a", 500_000), "an alias, which begins with *"},
		{"open quote", "a: \"" + strings.Repeat("x\n", 250_000), "found unexpected end of stream"},
		{"comments", strings.Repeat("# x\n", 200_000) + "a: b", "no such field"},
		{"many misspelt keys", "hooks:\n" + strings.Repeat("  A:\n  b: {}\n  \"c d\": 1\n", 5_000), "and "},
		{"many colons", strings.Repeat("? ", 5_000) + "x", "nested deeper"},
		{"a broken end", strings.Repeat("a: {b: c}\n", 3_000) + " ]", "f.yaml:3001: not valid YAML"},
		{"a broken end of much", strings.Repeat("- x\n", 100_000) + "]", "not valid YAML"},
		{"nothing, often", strings.Repeat("-\n", 100_000), "more than 50000 values"},
		{"brackets", strings.Repeat("[],", 300_000), "not valid YAML"},
		{"anchors", "a:\n" + strings.Repeat("- &a x\n", 80_000), "more than 50000 values"},
		{"block texts", "a:\n" + strings.Repeat("- |\n  \n", 70_000), "more than 50000 values"},
		{"blank lines in a text", "a: x\n" + strings.Repeat("\n", 1_000_000) + "  y\n", "no such field"},
		{"comments after values", "a:\n" + strings.Repeat("- x # y\n# z\n", 60_000), "more than 50000 values"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse("f.yaml", []byte(tt.yaml), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.300v, want %q", err, tt.want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			} else {
				t.Log(took)
			}
			if err != nil && len(err.Error()) > 64<<10 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}
