package config

import (
	"errors"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	vars := lookup([]string{"A=one", "EMPTY=", "LONG=" + strings.Repeat("x", 100), "A=two", "_b1=three", "CASH=$A ${A} $$", "odd"})
	for text, want := range map[string]string{
		"": "", "plain": "plain", "${A}": "one", "<${A}${_b1}>": "<onethree>", "${EMPTY}": "", "${EMPTY:-d}": "d", "${NO:-d}": "d",
		"${NO:-}": "", "${A:-d}": "one", "${NO:-a:-b c}": "a:-b c", "${odd}": "",
		// Only ${ and $$ are special, so a shell line needs no escape.
		"echo $A $(date) $1 $": "echo $A $(date) $1 $", "$$": "$", "$${A}": "${A}", "$$$$": "$$", "$$$A": "$$A", "}${A}{": "}one{",
		// The value of a variable is not expanded again.
		"${CASH}": "$A ${A} $$",
	} {
		if got, err := Expand(text, vars, 1000); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"${NO}":                       "the variable NO is not set; ${NO:-TEXT} gives a default, $${ leaves it to a shell",
		"${A":                         "${ without a }; write $${ to keep it as it is",
		"${}":                         "a ${...} that is neither ${NAME} nor ${NAME:-TEXT}; write $${ to leave it to a shell",
		"${A%.*}":                     "a ${...} that is neither ${NAME} nor ${NAME:-TEXT}; write $${ to leave it to a shell",
		"${1}":                        "a ${...} that is neither ${NAME} nor ${NAME:-TEXT}; write $${ to leave it to a shell",
		"${NO:-${A}}":                 "a ${...} that is neither ${NAME} nor ${NAME:-TEXT}; write $${ to leave it to a shell",
		"${PODHOOK_RUN_ID}":           "the variable PODHOOK_RUN_ID is set for the step's program alone; write $${PODHOOK_RUN_ID} to leave it to a shell",
		strings.Repeat("${LONG}", 11): "more than 1000 bytes once its variables are replaced",
	} {
		var wrong *VariableError
		if got, err := Expand(text, vars, 1000); !errors.As(err, &wrong) || err.Error() != want {
			t.Errorf("%q: got %q, %v\nwant %q", text, got, err, want)
		}
	}
}

// TestParseExpands: variables are replaced in values, but not in keys and names of steps.
func TestParseExpands(t *testing.T) {
	environ := []string{"DIR=/srv/app", "TIME=7s", "TOKEN=secret", "X=", "PORT=9901"}
	c, err := Parse("f.yaml", []byte(`hooks:
  demo:
    timeout: ${TIME}
    marker: ${DIR}/done
    steps:
    - exec: ["${DIR}/run", "$DIR $$ ${X:-nothing}"]
      env: {WHERE: "${DIR}", "${DIR}": key}
      workingDir: ${DIR}
    - http:
        url: http://127.0.0.1:${PORT}/quit
        body: "${DIR}"
        headers: {Authorization: "Bearer ${TOKEN}"}
    - write: {file: "${DIR}/a", content: "${TIME}\n"}
    - name: second
      wait: {tcp: "${HOST:-127.0.0.1}:${PORT}"}
`), environ)
	if err != nil {
		t.Fatal(err)
	}
	h := c.Hooks["demo"]
	if h.Timeout.String() != "7s" || h.Marker != "/srv/app/done" {
		t.Errorf("timeout %s, marker %s", h.Timeout, h.Marker)
	}
	run := h.Steps[0].Action.(Exec)
	if got := strings.Join(run.Argv, "|"); got != "/srv/app/run|$DIR $ nothing" {
		t.Errorf("argv %q", got)
	}
	if got := strings.Join(h.Steps[0].Env, "|"); got != "WHERE=/srv/app|${DIR}=key" {
		t.Errorf("env %q", got)
	}
	call := h.Steps[1].Action.(HTTP)
	if call.Endpoint.URL.Request != "http://127.0.0.1:9901/quit" || call.Body != "/srv/app" || call.Endpoint.Headers[0].Value != "Bearer secret" {
		t.Errorf("http %+v", call)
	}
	if w := h.Steps[2].Action.(Write); w.File != "/srv/app/a" || w.Content != "7s\n" {
		t.Errorf("write %+v", w)
	}
	if w := h.Steps[3].Action.(Wait); w.For != (TCP{"127.0.0.1:9901"}) {
		t.Errorf("wait %+v", w)
	}
}

func TestParseRefusesVariables(t *testing.T) {
	environ := []string{"TIME=7", "BIG=" + strings.Repeat("x", 100_000)}
	for text, want := range map[string]string{
		inStep("exec: [a]\nworkingDir: ${NO}"): `f.yaml:5: hooks.demo.steps[0].workingDir: "${NO}": the variable NO is not set; ${NO:-TEXT} gives a default, $${ leaves it to a shell`,
		// A problem does not show the value of a variable, which may be a secret.
		inStep("sleep: ${TIME}"):                                      `f.yaml:4: hooks.demo.steps[0].sleep: "${TIME}": ` + unitRule,
		inStep("name: ${TIME}\nsleep: 1s"):                            `f.yaml:4: hooks.demo.steps[0].name: "${TIME}": ` + stepNameRule,
		inStep("exec: [a" + strings.Repeat(", \"${BIG}\"", 50) + "]"): `more than`,
	} {
		if _, err := Parse("f.yaml", []byte(text), environ); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q:\ngot  %.300v\nwant %s", text, err, want)
		}
	}
}

// FuzzExpand: the result is bounded for any text. A text without ${ and $$ does not change.
func FuzzExpand(f *testing.F) {
	for _, text := range []string{"", "${A}", "${A:-b}", "$$", "$${A}", "${", "$", "${A:-${B}}", "a$b${EMPTY:-$}c", "${LONG}${LONG}", "$$$${A}$"} {
		f.Add(text)
	}
	const limit = 1 << 10
	vars := lookup([]string{"A=one", "EMPTY=", "LONG=" + strings.Repeat("x", 600), "DOLLAR=${A}$$"})
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Expand(text, vars, limit)
		var wrong *VariableError
		switch {
		case err != nil && (!errors.As(err, &wrong) || got != ""):
			t.Fatalf("%q: got %q and %v", text, got, err)
		case err == nil && len(got) > limit+len(text):
			t.Fatalf("%q: got %d bytes", text, len(got))
		case !strings.Contains(text, "${") && !strings.Contains(text, "$$") && (err != nil || got != text):
			t.Fatalf("%q: got %q, %v", text, got, err)
		}
		// A text with every $ doubled expands to the text.
		if kept, err := Expand(strings.ReplaceAll(text, "$", "$$"), vars, limit); kept != text || err != nil {
			t.Fatalf("%q doubled: got %q, %v", text, kept, err)
		}
	})
}
