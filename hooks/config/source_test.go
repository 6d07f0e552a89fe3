package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/hookname"
)

// write makes a file with its directories.
func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	// Independent of the umask.
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func mkdir(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, target, path string) string {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func mkfifo(t *testing.T, path string) string {
	t.Helper()
	if err := unix.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadWithoutAnything(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing"), filepath.Join(write(t, filepath.Join(t.TempDir(), "file"), "", 0o644), "x")} {
		c, err := Load(Source{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Hooks) != 3 || len(c.Warnings) != 0 || c.text != nil || c.Source != "directories in "+dir {
			t.Errorf("got %+v", c)
		}
	}
}

func TestLoadDirectories(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "prestart.d", "10-a"), "#!/bin/sh\n", 0o644)
	write(t, filepath.Join(dir, "my-hook.d", "a"), "#!/bin/sh\n", 0o755)
	mkdir(t, filepath.Join(dir, "elsewhere"))
	link(t, "elsewhere", filepath.Join(dir, "shutdown.d"))
	mkdir(t, filepath.Join(dir, ".hidden.d"))
	write(t, filepath.Join(dir, "file.d"), "", 0o644)
	c, err := Load(Source{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Hooks) != 4 || c.text != nil {
		t.Errorf("hooks %v", c.Hooks)
	}
	for name, timeout := range map[string]time.Duration{"prestart": 60 * time.Second, "shutdown": 25 * time.Second, "my-hook": 30 * time.Second} {
		h := c.Hooks[name]
		if h == nil || len(h.Steps) != 1 || h.Timeout != timeout {
			t.Errorf("hook %s: %+v", name, h)
			continue
		}
		s := h.Steps[0]
		if s.Name != "scripts-"+name+".d" || s.Action != (Scripts{Dir: filepath.Join(dir, name+".d")}) ||
			s.KillAfter != 2*time.Second || s.OnFailure != Fail {
			t.Errorf("hook %s: step %+v", name, s)
		}
	}
	checkWhole(t, c)
}

func TestLoadRefusesDirectories(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, "preStop.d"))
	mkdir(t, filepath.Join(dir, ".d"))
	mkdir(t, filepath.Join(dir, "a_b.d"))
	long := mkdir(t, filepath.Join(dir, strings.Repeat("x", 200)+".d"))
	_, err := Load(Source{Dir: dir})
	want := []string{
		dir + `/a_b.d: "a_b": ` + hookname.Rule,
		dir + `/preStop.d: "preStop": ` + hookname.Rule + "; the hook for Kubernetes' preStop is shutdown",
		long + `: "` + strings.Repeat("x", 60) + `"... (200 bytes): ` + hookname.Rule,
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}

	looping := t.TempDir()
	link(t, "shutdown.d", filepath.Join(looping, "shutdown.d"))
	link(t, "nowhere", filepath.Join(looping, "prestart.d"))
	_, err = Load(Source{Dir: looping})
	want = []string{
		looping + "/prestart.d: hooks.prestart, step scripts-prestart.d: a link to nowhere, which does not exist; a directory of scripts is needed",
		looping + "/shutdown.d: hooks.shutdown, step scripts-shutdown.d: a link that leads in circles; a directory of scripts is needed",
	}
	if err == nil || err.Error() != strings.Join(want, "\n") {
		t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
}

func TestLoadFile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "podhook.yaml"), "hooks: {demo: {steps: [{sleep: 1s}]}}\n", 0o644)
	mkdir(t, filepath.Join(dir, "shutdown.d"))
	other := write(t, filepath.Join(t.TempDir(), "other.yaml"),
		"hooks: {shutdown: {steps: [{scripts: "+dir+"/shutdown.d/}]}}\n", 0o644)

	c, err := Load(Source{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	unused := dir + "/shutdown.d: not used, because the hooks come from " + path + "; a step there can run it by scripts: " + dir + "/shutdown.d"
	if c.Source != path || c.Hooks["demo"] == nil || !slices.Equal(lines(c.Warnings), []string{unused}) {
		t.Errorf("got %+v", c)
	}

	c, err = Load(Source{Dir: dir, File: other})
	if err != nil {
		t.Fatal(err)
	}
	unused = path + ": not used, because the hooks come from " + other
	if c.Source != other || c.Hooks["demo"] != nil || !slices.Equal(lines(c.Warnings), []string{unused}) {
		t.Errorf("got %+v", c)
	}

	c, err = Load(Source{Dir: t.TempDir(), Text: "hooks: {mine: {steps: [{sleep: 1s}]}}"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Source != "PODHOOK_CONFIG_YAML" || c.Hooks["mine"].Pos != (Position{"PODHOOK_CONFIG_YAML", 1}) || len(c.Warnings) != 0 {
		t.Errorf("got %+v", c)
	}
}

func TestLoadRefusesFile(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	link(t, "nowhere", in("dangling"))
	link(t, "loop-b", in("loop-a"))
	link(t, "loop-a", in("loop-b"))
	write(t, in("large"), strings.Repeat("#\n", maxSize), 0o644)
	tests := []struct {
		name string
		s    Source
		want string
	}{
		{"missing", Source{File: in("missing")}, `PODHOOK_CONFIG: "` + in("missing") + `": does not exist`},
		{"below a file", Source{File: in("large/x")}, `PODHOOK_CONFIG: "` + in("large/x") + `": does not exist`},
		{"directory", Source{File: mkdir(t, in("directory"))}, `PODHOOK_CONFIG: "` + in("directory") + `": a directory; a regular file is needed`},
		{"dangling", Source{File: in("dangling")}, `PODHOOK_CONFIG: "` + in("dangling") + `": a link to nowhere, which does not exist`},
		{"loop", Source{File: in("loop-a")}, `PODHOOK_CONFIG: "` + in("loop-a") + `": a link that leads in circles`},
		{"fifo", Source{File: mkfifo(t, in("fifo"))}, `PODHOOK_CONFIG: "` + in("fifo") + `": a FIFO; a regular file is needed`},
		{"device", Source{File: "/dev/zero"}, `PODHOOK_CONFIG: "/dev/zero": a device; a regular file is needed`},
		{"large", Source{File: in("large")}, in("large") + ": larger than 1048576 bytes"},
		{"NUL", Source{File: "/a\x00b"}, `PODHOOK_CONFIG: "/a\x00b": invalid argument`},
		{"long", Source{File: "/" + strings.Repeat("x", 300)}, `PODHOOK_CONFIG: "/` + strings.Repeat("x", 59) + `"... (301 bytes): file name too long`},
		{"both", Source{File: in("f"), Text: "hooks:"}, `PODHOOK_CONFIG: "` + in("f") + `": PODHOOK_CONFIG_YAML is given too; only one of them can say what the hooks are`},
		{"text", Source{Text: "hooks:\n  a: 1"}, `PODHOOK_CONFIG_YAML:2: hooks.a: "1": a mapping with steps, timeout, paths, marker and watch`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			done := make(chan error, 1)
			go func() {
				_, err := Load(tt.s)
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil || err.Error() != tt.want {
					t.Errorf("got  %v\nwant %s", err, tt.want)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("hangs")
			}
		})
	}
}

// TestLoadRefusesDefaultFile: the default file need not exist, but must be valid.
func TestLoadRefusesDefaultFile(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(path string)
		want string
	}{
		"dangling": {func(path string) { link(t, "nowhere", path) }, ": a link to nowhere, which does not exist"},
		"loop":     {func(path string) { link(t, "podhook.yaml", path) }, ": a link that leads in circles"},
		"dir":      {func(path string) { mkdir(t, path) }, ": a directory; a regular file is needed"},
		"fifo":     {func(path string) { mkfifo(t, path) }, ": a FIFO; a regular file is needed"},
		"broken":   {func(path string) { write(t, path, "a", 0o644) }, `:1: a mapping with the keys hooks, ready and mask`},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "podhook.yaml")
		tt.make(path)
		if _, err := Load(Source{Dir: dir}); err == nil || err.Error() != path+tt.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "podhook.yaml"), "hooks:\n", 0o600)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	asNobody(t, dir, func() {
		_, err := Load(Source{File: path})
		want := `PODHOOK_CONFIG: "` + path + `": not readable for user `
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}

// TestLoadScripts: bad scripts of a hook stop a start, but not the run of another hook.
func TestLoadScripts(t *testing.T) {
	dir := t.TempDir()
	bad := write(t, filepath.Join(dir, "prestart.d", "bad"), "no interpreter\n", 0o644)
	write(t, filepath.Join(dir, "shutdown.d", "good"), "#!/bin/sh\n", 0o755)
	sub := mkdir(t, filepath.Join(dir, "shutdown.d", "sub"))
	want := bad + ": hooks.prestart, step scripts-prestart.d: not executable for user " + uid() + " (chmod +x), and without a #! line that names an interpreter to run it"
	warning := sub + ": a directory; passed over, only files are run"
	for _, hook := range []string{"", "prestart"} {
		if _, err := Load(Source{Dir: dir, Hook: hook}); err == nil || err.Error() != want {
			t.Errorf("hook %q: got  %v\nwant %s", hook, err, want)
		}
	}
	c, err := Load(Source{Dir: dir, Hook: "shutdown"})
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(c.Warnings); !slices.Contains(got, want) || !slices.Contains(got, warning) || len(got) != 2 {
		t.Errorf("warnings %q", got)
	}

	missing := "hooks:\n  a:\n    steps:\n    - scripts: " + dir + "/missing\n"
	want = dir + "/missing: hooks.a, step scripts-missing: does not exist; a directory of scripts is needed"
	if _, err := Load(Source{Dir: t.TempDir(), Text: missing}); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
