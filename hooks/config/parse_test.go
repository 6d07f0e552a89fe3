package config

import (
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const example = `# as in the README
hooks:
  prestart:
    timeout: 30s
    marker: /shared/prestart.done
    steps:
    - name: render-config
      exec: [/scripts/render.sh, --strict]
      timeout: 5s
      killAfter: 500ms
      once: true
      env: {MODE: fast, N: 010, B: yes, EMPTY: "", V: 1.10}
      workingDir: /srv
  shutdown:
    paths: [/api/shutdown, /drain/]
    steps:
    - sleep: 5s
    - exec:
      - nginx
      - -s
      - quit
      onFailure: continue
    - scripts: /etc/podhook/shutdown.d
    - signal: SIGQUIT
  reload:
    steps:
    - {signal: hup}
`

func TestParse(t *testing.T) {
	c, err := Parse("podhook.yaml", []byte(example), nil)
	if err != nil {
		t.Fatal(err)
	}
	at := func(line int) Position { return Position{"podhook.yaml", line} }
	want := map[string]*Hook{
		"prestart": {Name: "prestart", Timeout: 30 * time.Second, Marker: "/shared/prestart.done", Pos: at(3), Steps: []*Step{{
			Name: "render-config", Action: Exec{Argv: []string{"/scripts/render.sh", "--strict"}},
			Timeout: 5 * time.Second, KillAfter: 500 * time.Millisecond, Once: true, OnFailure: Fail,
			Env: []string{"MODE=fast", "N=010", "B=yes", "EMPTY=", "V=1.10"}, WorkingDir: "/srv", Pos: at(7)}}},
		"shutdown": {Name: "shutdown", Timeout: 25 * time.Second, Paths: []string{"/api/shutdown", "/drain/"}, Pos: at(14), Steps: []*Step{
			{Name: "sleep", Action: Sleep{Duration: 5 * time.Second}, KillAfter: 2 * time.Second, OnFailure: Fail, Pos: at(17)},
			{Name: "exec-nginx", Action: Exec{Argv: []string{"nginx", "-s", "quit"}}, KillAfter: 2 * time.Second, OnFailure: Continue, Pos: at(18)},
			{Name: "scripts-shutdown.d", Action: Scripts{Dir: "/etc/podhook/shutdown.d"}, KillAfter: 2 * time.Second, OnFailure: Fail, Pos: at(23)},
			{Name: "signal-QUIT", Action: Signal{Signal: syscall.SIGQUIT}, KillAfter: 2 * time.Second, OnFailure: Fail, Pos: at(24)}}},
		"poststop": {Name: "poststop", Timeout: 30 * time.Second},
		"reload": {Name: "reload", Timeout: 30 * time.Second, Pos: at(25), Steps: []*Step{
			{Name: "signal-HUP", Action: Signal{Signal: syscall.SIGHUP}, KillAfter: 2 * time.Second, OnFailure: Fail, Pos: at(27)}}},
	}
	for name, hook := range want {
		if got := c.Hooks[name]; !reflect.DeepEqual(got, hook) {
			t.Errorf("hook %s:\n got %+v\nwant %+v", name, got, hook)
		}
	}
	if len(c.Hooks) != len(want) || len(c.Warnings) != 0 || c.Source != "podhook.yaml" || string(c.text) != example {
		t.Errorf("hooks %d, warnings %v, source %q", len(c.Hooks), c.Warnings, c.Source)
	}
}

// TestParseNothing: hooks: {} is a configuration, in which the built-in hooks exist.
func TestParseNothing(t *testing.T) {
	for _, text := range []string{"hooks: {}\n", "\ufeffhooks: {}\n", "---\nhooks: {}\n",
		"hooks: {prestart: {}, shutdown: {}, poststop: {steps: []}}\n", "hooks: {prestart: {steps: [], paths: }}\r\n"} {
		c, err := Parse("f.yaml", []byte(text), nil)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if len(c.Hooks) != 3 || len(c.Warnings) != 0 {
			t.Errorf("%q: hooks %v, warnings %v", text, c.Hooks, c.Warnings)
		}
		for name, timeout := range map[string]time.Duration{Prestart: 60 * time.Second, Shutdown: 25 * time.Second, Poststop: 30 * time.Second} {
			if h := c.Hooks[name]; h.Timeout != timeout || len(h.Steps) != 0 {
				t.Errorf("%q: %s is %+v", text, name, h)
			}
		}
	}
}

func TestStepNames(t *testing.T) {
	long := strings.Repeat("x", 80)
	c, err := Parse("f.yaml", []byte(`hooks:
  a:
    steps:
    - sleep: 1s
    - sleep: 1s
    - {name: sleep-2, sleep: 1s}
    - sleep: 1s
    - exec: [/opt/a b/run me.sh]
    - exec: [/]
    - exec: [`+long+`]
    - exec: [`+long+`]
    - scripts: /a/b.d/
    - signal: RTMIN+3
    - signal: 9
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range c.Hooks["a"].Steps {
		got = append(got, s.Name)
	}
	want := []string{"sleep", "sleep-3", "sleep-2", "sleep-4", "exec-run-me.sh", "exec",
		"exec-" + long[:58], "exec-" + long[:56] + "-2", "scripts-b.d", "signal-37", "signal-KILL"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestParseSharesByAlias(t *testing.T) {
	c, err := Parse("f.yaml", []byte("hooks:\n  a:\n    steps: &s\n    - sleep: &t 1s\n  b:\n    timeout: *t\n    steps: *s\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	b := c.Hooks["b"]
	if b.Timeout != time.Second || len(b.Steps) != 1 || b.Steps[0].Action != (Sleep{time.Second}) {
		t.Errorf("got %+v", b)
	}
	if b.Steps[0] == c.Hooks["a"].Steps[0] {
		t.Error("two hooks share one step")
	}
}

func TestParseHints(t *testing.T) {
	c, err := Parse("f.yaml", []byte("hooks:\n  poststart: {steps: [{sleep: 1s}]}\n  prestrat: {steps: [{sleep: 1s}]}\n  reload: {}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"f.yaml:2: hooks.poststart: a hook of your own that nothing calls by itself; the hook for Kubernetes' postStart is prestart",
		`f.yaml:3: hooks.prestrat: a hook of your own that nothing calls by itself; did you mean "prestart"?`,
		"f.yaml:4: hooks.reload: has no steps; it succeeds at once and does nothing",
	}
	if got := lines(c.Warnings); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func lines(problems []Problem) []string {
	var list []string
	for _, p := range problems {
		list = append(list, p.Error())
	}
	return list
}

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "SIGTERM": syscall.SIGTERM, "term": syscall.SIGTERM, "sigterm": syscall.SIGTERM,
		"15": syscall.SIGTERM, "WINCH": syscall.SIGWINCH, "USR1": syscall.SIGUSR1, "1": 1, "64": 64,
		"RTMIN": 34, "SIGRTMIN+3": 37, "rtmin+30": 64, "RTMAX": 64, "RTMAX-14": 50,
	} {
		if got, err := ParseSignal(text); got != want || err != nil {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "SIG", "0", "-1", "+5", "65", "TERMX", "SIGSIGTERM", "RTMIN+31", "RTMIN-1", "RTMAX+1",
		"RTMIN3", "RTMIN+", "RTMIN+x", "RTMIN+99999999999999999999", "RTMIN+9223372036854775807", " TERM"} {
		if got, err := ParseSignal(text); err == nil || !strings.Contains(err.Error(), signalRule) {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"name", "timeout", "onFailure", "workingDir", "exec", "sleep"}
	for given, want := range map[string]string{
		"nmae": "name", "timeuot": "timeout", "time_out": "timeout", "onfail": "onFailure", "on-failure": "onFailure",
		"workdir": "workingDir", "workingDirectory": "", "exce": "exec", "slepe": "sleep", "x": "", "": "", "completely": "",
		strings.Repeat("exec", 1000): "",
	} {
		if got := Nearest(given, names); got != want {
			t.Errorf("%.20q: got %q, want %q", given, got, want)
		}
	}
}
