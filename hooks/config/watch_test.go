package config

import (
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestWatch(t *testing.T) {
	c, err := Parse("f.yaml", []byte("hooks:\n  a: {watch: [/etc/app/, \"${FILE}\"]}\n  b: {watch: [/a], debounce: 50ms, marker: /ab}\n  c: {}\n"), []string{"FILE=/tls/tls.crt"})
	if err != nil {
		t.Fatal(err)
	}
	a, b, none := c.Hooks["a"], c.Hooks["b"], c.Hooks["c"]
	if !slices.Equal(a.Watch, []string{"/etc/app", "/tls/tls.crt"}) || a.Debounce != time.Second {
		t.Errorf("a watches %q with %v", a.Watch, a.Debounce)
	}
	if b.Debounce != 50*time.Millisecond || none.Debounce != 0 {
		t.Errorf("debounce is %v and %v", b.Debounce, none.Debounce)
	}
	if !c.Watches() {
		t.Error("it watches nothing")
	}
}

// A path that is not there yet is only a warning. A step for the trigger watch needs it.
func TestWatchPreflight(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	path := write(t, filepath.Join(dir, "f.yaml"),
		"hooks:\n  a:\n    watch: ["+dir+", "+missing+"]\n    steps: [{sleep: 1s, when: {trigger: [watch]}}]\n  b:\n    steps: [{sleep: 1s, when: {trigger: [watch]}}]\n", 0o644)
	c, err := Load(Source{File: path})
	if err != nil {
		t.Fatal(err)
	}
	if c.File() != path {
		t.Errorf("the file is %q", c.File())
	}
	var p Preflight
	p.Look(c)
	want := []string{path + `:2: hooks.a.watch: "` + missing + `": does not exist; the hook runs when it appears`,
		path + `:6: hooks.b, step sleep, when.trigger: "watch": the step never runs: this hook is not called so`}
	var got []string
	for _, w := range p.Warnings {
		got = append(got, w.Error())
	}
	if !slices.Equal(got, want) || len(p.Failed) > 0 {
		t.Errorf("warnings %q, failed %v", got, p.Failed)
	}
}
