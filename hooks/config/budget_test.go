package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	const grace, margin = 30 * time.Second, 2 * time.Second
	tests := []struct {
		name, yaml string
		want       []string
	}{
		{"within", "hooks:\n  shutdown:\n    steps:\n    - sleep: 5s\n    - {exec: [a], timeout: 20s}\n", nil},
		{"longer than the hook", "hooks:\n  shutdown:\n    steps:\n    - sleep: 5s\n    - {name: drain, exec: [a], timeout: 10s}\n    - {name: quit, exec: [b], timeout: 20s}\n",
			[]string{"f.yaml:2: hooks.shutdown: the worst case is longer than the hook may take: 5s sleep + 10s drain + 20s quit = 35s > hooks.shutdown.timeout 25s"}},
		{"one step", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - {name: b, exec: [b], timeout: 1m}\n",
			[]string{"f.yaml:2: hooks.a: the worst case is longer than the hook may take: 1m b > hooks.a.timeout 10s"}},
		{"sleep is not longer than its timeout", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - {sleep: 5s, timeout: 1m}\n", nil},
		{"no timeout of its own", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - {exec: [b]}\n", nil},
		{"nothing left for one", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - sleep: 10s\n    - exec: [b]\n",
			[]string{"f.yaml:2: hooks.a: the worst case is longer than the hook may take: 10s sleep, and exec-b without a timeout > hooks.a.timeout 10s"}},
		{"longer than the grace period", "hooks:\n  shutdown:\n    timeout: 1h\n    steps:\n    - exec: [b]\n",
			[]string{"f.yaml:2: hooks.shutdown: longer than the grace period allows: hooks.shutdown.timeout 1h > 30s grace period - 2s margin = 28s; the hook is cut to that"}},
		{"steps longer than the grace period", "hooks:\n  shutdown:\n    timeout: 1h\n    steps:\n    - sleep: 20s\n    - sleep: 10s\n",
			[]string{"f.yaml:2: hooks.shutdown: longer than the grace period allows: 20s sleep + 10s sleep-2 = 30s > 30s grace period - 2s margin = 28s; the hook is cut to that"}},
		{"short steps in a long hook", "hooks:\n  shutdown:\n    timeout: 1h\n    steps:\n    - sleep: 20s\n", nil},
		{"prestart has its own time", "hooks:\n  prestart:\n    timeout: 1h\n    steps:\n    - exec: [b]\n", nil},
	}
	for _, tt := range tests {
		c, err := Parse("f.yaml", []byte(tt.yaml), nil)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		if got := lines(c.Check(grace, margin)); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, got, tt.want)
		}
	}
	empty, err := Parse("f.yaml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := empty.Check(time.Second, 0); len(got) != 0 {
		t.Errorf("hooks without steps: %v", lines(got))
	}
}

func TestPreflight(t *testing.T) {
	dir := t.TempDir()
	good := write(t, filepath.Join(dir, "good"), "#!/bin/sh\n", 0o755)
	plain := write(t, filepath.Join(dir, "plain"), "#!/bin/sh\n", 0o644)
	crlf := write(t, filepath.Join(dir, "crlf"), "#!/bin/sh\r\n", 0o755)
	c, err := Parse("f.yaml", []byte(strings.NewReplacer("GOOD", good, "PLAIN", plain, "CRLF", crlf, "DIR", dir).Replace(`hooks:
  a:
    marker: DIR/missing/marker
    steps:
    - exec: [GOOD]
      workingDir: DIR
    - exec: [/bin/true]
    - exec: [sh, -c, ":"]
    - exec: [./relative]
    - exec: [PLAIN]
    - exec: [CRLF]
    - exec: [DIR]
    - exec: [DIR/missing]
    - exec: [no-such-program]
    - exec: [GOOD]
      name: where
      workingDir: GOOD
`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`f.yaml:2: hooks.a.marker: "DIR/missing/marker": its directory does not exist`,
		`f.yaml:10: hooks.a, step exec-plain, exec: "DIR/plain": not executable for user ` + uid() + ` (chmod +x)`,
		`f.yaml:11: hooks.a, step exec-crlf, exec: "DIR/crlf": its #! line ends in CR LF, so that the interpreter would be looked for with a "\r"; save it with LF line ends`,
		`f.yaml:12: hooks.a, step exec-` + filepath.Base(dir) + `, exec: "DIR": a directory; a program is needed`,
		`f.yaml:13: hooks.a, step exec-missing, exec: "DIR/missing": does not exist`,
		`f.yaml:14: hooks.a, step exec-no-such-program, exec: "no-such-program": not found in the PATH`,
		`f.yaml:15: hooks.a, step where, workingDir: "DIR/good": a regular file; a directory is needed`,
	}
	got := c.Preflight()
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "DIR", dir)
	}
	// Compare whole values: what is shown of a long one depends on TMPDIR.
	var gotLines []string
	for _, p := range got {
		p.Msg = `"` + p.Value + `": ` + p.Msg
		p.Value = ""
		gotLines = append(gotLines, p.Error())
	}
	if !slices.Equal(gotLines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(gotLines, "\n"), strings.Join(want, "\n"))
	}
}
