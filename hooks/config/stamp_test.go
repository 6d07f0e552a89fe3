package config

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestStamp: a stamp changes with every kind of change, and only then.
func TestStamp(t *testing.T) {
	dir := t.TempDir()
	s := Source{Dir: dir}
	file := filepath.Join(dir, "podhook.yaml")
	changed := func(what string, change func()) {
		t.Helper()
		before := s.Stamp()
		if before != s.Stamp() {
			t.Fatalf("before %s: changes by itself", what)
		}
		change()
		if s.Stamp() == before {
			t.Errorf("%s is not seen", what)
		}
	}
	changed("a first directory", func() { mkdir(t, filepath.Join(dir, "prestart.d")) })
	changed("a first script", func() { write(t, filepath.Join(dir, "prestart.d", "a"), "", 0o755) })
	changed("the default file", func() { write(t, file, "hooks:\n", 0o644) })
	changed("its text", func() { write(t, file, "hooks: {}\n", 0o644) })
	changed("its mode", func() { os.Chmod(file, 0o600) })
	changed("another file with the same size and time", func() {
		var st syscall.Stat_t
		if err := syscall.Stat(file, &st); err != nil {
			t.Fatal(err)
		}
		next := write(t, filepath.Join(dir, "next"), "hooks: []\n", 0o600)
		when := time.Unix(st.Mtim.Unix())
		if err := os.Chtimes(next, when, when); err != nil {
			t.Fatal(err)
		}
		os.Rename(next, file)
	})
	changed("a link that leads nowhere", func() { os.Remove(file); link(t, "nowhere", file) })
	changed("no file again", func() { os.Remove(file) })
	changed("no directory", func() { os.RemoveAll(filepath.Join(dir, "prestart.d")) })

	write(t, file, "hooks:\n", 0o644)
	before := s.Stamp()
	mkdir(t, filepath.Join(dir, "unused.d"))
	if s.Stamp() != before {
		t.Error("a directory that is not used counts")
	}
	text := Source{Dir: dir, Text: "hooks:"}
	before = text.Stamp()
	write(t, file, "hooks: {}\n", 0o644)
	if text.Stamp() != before {
		t.Error("a file counts that is not used")
	}
}

// TestStampConfigMap plays kubelet's update of a ConfigMap volume: a new
// directory, and a rename of the link ..data onto it.
func TestStampConfigMap(t *testing.T) {
	dir := t.TempDir()
	version := 0
	update := func(text string) {
		version++
		data := "..2026_" + string(rune('0'+version))
		write(t, filepath.Join(dir, data, "podhook.yaml"), text, 0o644)
		link(t, data, filepath.Join(dir, "..data_tmp"))
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	update("hooks: {a: {timeout: 1s, steps: [{sleep: 1ms}]}}\n")
	link(t, "..data/podhook.yaml", filepath.Join(dir, "podhook.yaml"))
	for _, s := range []Source{{Dir: dir}, {File: filepath.Join(dir, "podhook.yaml"), Dir: t.TempDir()}} {
		for _, timeout := range []string{"2s", "3s"} {
			before := s.Stamp()
			update("hooks: {a: {timeout: " + timeout + ", steps: [{sleep: 1ms}]}}\n")
			if s.Stamp() == before {
				t.Error("the swap is not seen")
			}
			c, err := Load(s)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Hooks["a"].Timeout.String(); got != timeout {
				t.Errorf("timeout %s, want %s", got, timeout)
			}
			if len(c.Warnings) != 0 {
				t.Errorf("warnings %v", c.Warnings)
			}
		}
	}
}
