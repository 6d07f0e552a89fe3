package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secret is in every configuration of TestNoProblemShowsASecret.
const secret = "hunter2"

// brokenByMistake holds configurations with a mistake near a secret. The secret is the value
// of a header, a part of a URL (user, password, query, fragment), a body, a content or a
// variable.
func brokenByMistake() []string {
	headers := []string{
		"hunter2", "Bearer hunter2", "'Authorization: Bearer hunter2'", "[hunter2]", "['Authorization: hunter2']", "[{name: A, value: hunter2}]",
		"{hunter2}", "{A: [hunter2]}", "{A: [[hunter2]]}", "{A: {value: hunter2}}", "{A: {prefix: hunter2}}", "{A: {prefix: [hunter2], file: /f}}",
		"{A: {file: hunter2}}", "{'A: hunter2': x}", "{'A hunter2': x}", "{'A: hunter2': }", "{A:hunter2}", "{'A=hunter2': x}", "{'dXNlcjp/hunter2=': x}",
		"{Authorization Bearer hunter2}", `{A: "hunter2\n"}`, `{A: "hunter2\0"}`, "{A: '${hunter2'}", "{A: '${X:-hunter2${}'}", "{A: '${hun ter2 hunter2}'}",
		"{A: !hunter2 x}", "{A: !!hunter2 x}", "{A: *hunter2}", "{A: &hunter2 x, A: hunter2}", "{Host: x, Upgrade: hunter2}", "{A: | hunter2}", "{A: 'hunter2}",
		"{A: hunter2", "{A: hunter2]}", "{? [hunter2] : x}", "{<<: hunter2}", "{A: \"hunter2\\q\"}", "{A: @hunter2}", "{A: %hunter2}", "{A: `hunter2`}",
	}
	urls := []string{
		"ftp://u:hunter2@h/", "http://u:hunter2@h/", "http://hunter2@h/", "http://u:p/hunter2@h/", "http://u:p?hunter2@h/", "http://u:p hunter2@h/",
		"http://u:p#hunter2@h/", "http://u:p@hunter2@h/", "http://u:hunter2@", "u:hunter2@h/x", "http://h:0/?token=hunter2", "htp://h/?token=hunter2",
		"http://h/?a=1 hunter2", "h/x?token=hunter2", "http://h/#hunter2", "http://h/%zz?hunter2", "unix:run/x:/q?token=hunter2", "unix:/run/x:/q#hunter2",
		"unix:/run/x y:/?hunter2", "http://[::1/?hunter2", "http://h:99999/?a@b=hunter2", "http:///?hunter2", "https://${u:hunter2@h/", "http://h/?${X:-hunter2${}",
	}
	var all []string
	add := func(format string, list []string) {
		for _, text := range list {
			all = append(all, inStep(strings.ReplaceAll(format, "%", text)))
		}
	}
	add("http: {url: 'http://h', headers: %}", headers)
	add("wait: {http: {url: 'http://h', headers: %}}", headers)
	add("wait: {metric: {url: 'http://h', name: m, atMost: 0, headers: %}}", headers)
	add("http:\n  url: http://h\n  headers:\n    %", []string{"hunter2", "A hunter2", "A:hunter2", "- hunter2", "A: hunter2\n    B", "A: hunter2\n   B: x", "A: hunter2\n\tB: x"})
	for _, format := range []string{"http: '%'", "http: {url: '%'}", "http: {url: ['%']}", "http: {url: '%', caFile: /x}", "http: {url: '%', certFile: /x}", "wait: {http: '%'}", "wait: {tcp: '%'}",
		"wait: {file: '%'}", "wait: {metric: {url: '%', name: m, atMost: 0}}", "exec: '%'", "exec: 'curl -s %'", "exec: {'%': x}", "scripts: '%'", "signal: '%'",
		"{signal: TERM, '%': x}", "signal: {signal: TERM, to: '%'}", "sleep: '%'", "write: {file: '%'}", "remove: '%'", "{sleep: 1s, name: '%'}",
		"{sleep: 1s, onFailure: '%'}", "{exec: [x], user: '%'}", "{exec: [x], workingDir: '%'}", "{sleep: 1s, when: {trigger: ['%']}}", "http: {url: 'http://h', method: '%'}",
		"http: {url: 'http://h', status: '%'}", "parallel: '%'"} {
		add(format, urls)
	}
	add("http: {url: 'http://h', %}", []string{"body: [hunter2]", `body: "hunter2${"`, "body: {hunter2: x}", "body:hunter2", "Authorization:hunter2", "'Authorization: hunter2': x", "'token=hunter2': x"})
	add("write: {file: /x, %}", []string{"content: [hunter2]", `content: "${hunter2"`, "content:hunter2"})
	add("{exec: [x], env: %}", []string{"hunter2", "[A=hunter2]", "[{name: A, value: hunter2}]", "{A=hunter2: x}", "{A:hunter2}", "{'A hunter2': }",
		`{A: "hunter2\0"}`, "{A: [hunter2]}", "{A: '${hunter2'}", "{PODHOOK_STEP: hunter2}", "{A: hunter2" + strings.Repeat("x", maxArg) + "}"})
	add("exec: %", []string{"'curl -H \"Authorization: Bearer hunter2\" http://h'", "'TOKEN=hunter2 run'", "'run --user a:hunter2'"})
	return all
}

// No problem shows a secret, whatever the mistake is.
func TestNoProblemShowsASecret(t *testing.T) {
	list := brokenByMistake()
	refused := 0
	for _, yaml := range list {
		if !strings.Contains(yaml, secret) {
			t.Fatalf("no secret in %s", yaml)
		}
		c, err := Parse("f.yaml", []byte(yaml), []string{"X="})
		if err != nil {
			refused++
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, secret) {
				t.Errorf("%s\nis refused by\n%v", yaml, err)
			}
			continue
		}
		var p Preflight
		p.Look(c)
		for _, problem := range append(append(p.Failed, p.Warnings...), c.Warnings...) {
			if text := fmt.Sprintf("%v %+v", problem, problem); strings.Contains(text, secret) {
				t.Errorf("%s\nleads to\n%v", yaml, problem)
			}
		}
		for _, s := range c.Hooks["demo"].Steps {
			if h, ok := s.Action.(HTTP); ok && strings.Contains(h.String(), secret) {
				t.Errorf("%s\nis shown as %s", yaml, h)
			}
			if w, ok := s.Action.(Wait); ok && strings.Contains(w.For.String(), secret) {
				t.Errorf("%s\nis shown as %s", yaml, w.For)
			}
		}
	}
	if refused < len(list)*9/10 {
		t.Errorf("only %d of %d configurations are refused", refused, len(list))
	}
}

// The text of a file that is not a configuration is not shown either.
func TestNoProblemShowsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	for _, text := range []string{secret, "{" + secret, "[" + secret + "]", "\"" + secret, "- " + secret + "\n-", "*" + secret, "!" + secret, "%" + secret + "\n---", "a: b: " + secret} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(Source{File: path}); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestHideURLs(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain words?": "plain words?", "a@b": "a@b", "http://h/x": "http://h/x", "see http://h/x?y now": "see http://h/x?... now",
		"http://u:p@h/x": "http://...@h/x", "http://u:p q@h/x?y=1#z": "http://...@h/x?...", `"http://h/?q": a URL?`: `"http://h/?...": a URL?`,
		"unix:/run/a.sock:/b?c": "unix:/run/a.sock:/b?...", "a http://h/?b http://i/?c d": "a http://h/?... http://i/?... d",
	} {
		if got := HideURLs(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
