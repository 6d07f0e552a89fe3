package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/executable"
	"github.com/podhook/podhook/internal/testutil"
)

// wide makes a file or directory that every user can write to, whatever the umask is.
func wide(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func directory(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	wide(t, path, mode)
	return path
}

// A file that every user can change is refused for root, unless that is allowed.
func TestPreflightExposed(t *testing.T) {
	testutil.NeedRoot(t, "be harmed by files that others can change")
	dir := t.TempDir()
	in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	directory(t, in("safe"), 0o755)
	write(t, in("safe", "good"), "#!/bin/sh\n", 0o755)
	write(t, in("safe", "wide"), "#!/bin/sh\n", 0o755)
	wide(t, in("safe", "wide"), 0o757)
	directory(t, in("open"), 0o777)
	directory(t, in("open", "below"), 0o755)
	write(t, in("open", "below", "x"), "#!/bin/sh\n", 0o755)
	directory(t, in("sticky"), os.ModeSticky|0o777)
	write(t, in("sticky", "x"), "#!/bin/sh\n", 0o755)
	if err := os.Symlink(in("safe", "wide"), in("safe", "link")); err != nil {
		t.Fatal(err)
	}
	write(t, in("safe", "interpreted"), "#!"+in("open", "below", "sh")+"\n", 0o755)
	if err := os.Symlink("/bin/sh", in("open", "below", "sh")); err != nil {
		t.Fatal(err)
	}
	yaml := `hooks:
  a:
    steps:
    - {name: good, exec: [DIR/safe/good]}
    - {name: file, exec: [DIR/safe/wide]}
    - {name: above, exec: [DIR/open/below/x]}
    - {name: sticky, exec: [DIR/sticky/x]}
    - {name: link, exec: [DIR/safe/link]}
    - {name: interpreter, exec: [DIR/safe/interpreted]}
    - {name: scripts, scripts: {dir: DIR/safe, match: w*}}
    - {name: dir, scripts: DIR/sticky}
    - {name: other, exec: [DIR/safe/wide], user: 65534}
    - {name: path, exec: [wide], env: {PATH: DIR/safe}}
`
	const why = ", and root would use it; chmod o-w, or PODHOOK_ALLOW_WORLD_WRITABLE=true"
	want := []string{
		`f.yaml:5: hooks.a, step file, exec: "DIR/safe/wide": every user can change DIR/safe/wide` + why,
		`f.yaml:6: hooks.a, step above, exec: "DIR/open/below/x": every user can change DIR/open` + why,
		`f.yaml:8: hooks.a, step link, exec: "DIR/safe/link": every user can change DIR/safe/wide` + why,
		`f.yaml:9: hooks.a, step interpreter, exec: "DIR/open/below/sh": every user can change DIR/open` + why,
		`f.yaml:10: hooks.a, step scripts, scripts: "DIR/safe/wide": every user can change DIR/safe/wide` + why,
		`f.yaml:11: hooks.a, step dir, scripts: "DIR/sticky": every user can change DIR/sticky` + why,
		`f.yaml:13: hooks.a, step path, exec: "DIR/safe/wide": every user can change DIR/safe/wide` + why,
	}
	reachable(t, dir)
	failed, _ := preflight(t, dir, yaml, Preflight{AsUsers: true})
	same(t, "for root", failed, want)
	failed, _ = preflight(t, dir, yaml, Preflight{AsUsers: true, AllowExposed: true})
	same(t, "allowed", failed, nil)
	failed, _ = preflight(t, dir, yaml, Preflight{}, asNobody)
	same(t, "for nobody", failed, nil)
}

func TestPreflightExposedConfiguration(t *testing.T) {
	testutil.NeedRoot(t, "be harmed by files that others can change")
	file := write(t, filepath.Join(t.TempDir(), "f.yaml"), "hooks: {}\n", 0o644)
	for mode, want := range map[os.FileMode]int{0o644: 0, 0o646: 1} {
		wide(t, file, mode)
		c, err := Load(Source{File: file})
		if err != nil {
			t.Fatal(err)
		}
		p := Preflight{}
		if p.Look(c); len(p.Failed) != want {
			t.Errorf("mode %o: %v", mode, p.Failed)
		}
	}
}

// A step's program is checked with the permissions of the step's user.
func TestPreflightAsUser(t *testing.T) {
	testutil.NeedRoot(t, "run a step as another user")
	// In a process of its own that starts with a supplementary group: glibc aborts if a
	// process with other threads changes its groups.
	if os.Getenv("SUPPLEMENTARY_GROUP") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPreflightAsUser$", "-test.v")
		cmd.Env = append(os.Environ(), "SUPPLEMENTARY_GROUP=0")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: []uint32{0}}}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestPreflightAsUser") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	reachable(t, dir)
	write(t, filepath.Join(dir, "roots"), "#!/bin/sh\n", 0o700)
	write(t, filepath.Join(dir, "unreadable"), "#!/bin/sh\n", 0o711)
	write(t, filepath.Join(dir, "group"), "#!/bin/sh\n", 0o750)
	if err := os.Chown(filepath.Join(dir, "group"), 0, 4321); err != nil {
		t.Fatal(err)
	}
	directory(t, filepath.Join(dir, "s.d"), 0o755)
	write(t, filepath.Join(dir, "s.d", "a"), "#!/bin/sh\n", 0o744)
	directory(t, filepath.Join(dir, "t.d"), 0o755)
	write(t, filepath.Join(dir, "t.d", "a"), "#!/bin/sh\n", 0o711)
	write(t, filepath.Join(dir, "own-groups"), "#!/bin/sh\n", 0o750) // root's group, a supplementary one here, is not given on
	directory(t, filepath.Join(dir, "home"), 0o700)
	write(t, filepath.Join(dir, "home", "tool"), "#!/bin/sh\n", 0o755)
	directory(t, filepath.Join(dir, "listed"), 0o744) // can be read, and not entered
	write(t, filepath.Join(dir, "listed", "tool"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(dir, "by-home"), "#!"+filepath.Join(dir, "home", "tool")+"\n", 0o755)
	yaml := `hooks:
  a:
    steps:
    - {name: a, exec: [DIR/roots], user: 65534}
    - {name: b, exec: [DIR/unreadable], user: 65534}
    - {name: c, exec: [DIR/group], user: "65534:65534"}
    - {name: d, exec: [DIR/group], user: "65534:4321"}
    - {name: e, scripts: DIR/s.d, user: 65534}
    - {name: f, exec: [/bin/true], workingDir: DIR/home/x, user: 65534}
    - {name: g, exec: [DIR/roots], user: root}
    - {name: h, exec: [DIR/roots]}
    - {name: i, scripts: DIR/t.d, user: 65534}
    - {name: j, exec: [DIR/own-groups], user: 65534}
    - {name: k, exec: [DIR/home/tool], user: 65534}
    - {name: l, exec: [DIR/listed/tool], user: 65534}
    - {name: m, exec: [DIR/by-home], user: 65534}
    - {name: n, exec: [/bin/true], workingDir: DIR/listed, user: 65534}
    - {name: o, exec: [tool], env: {PATH: "DIR/home"}, user: 65534}
`
	failed, _ := preflight(t, dir, yaml, Preflight{AsUsers: true})
	same(t, "as the steps' users", failed, []string{
		`f.yaml:4: hooks.a, step a, exec: "DIR/roots": not executable for user 65534 (chmod +x)`,
		`f.yaml:5: hooks.a, step b, exec: "DIR/unreadable": not readable for user 65534: permission denied`,
		`f.yaml:6: hooks.a, step c, exec: "DIR/group": not executable for user 65534 (chmod +x)`,
		`f.yaml:8: hooks.a, step e, scripts: "DIR/s.d/a": not executable for user 65534 (chmod +x)`,
		`f.yaml:9: hooks.a, step f, workingDir: "DIR/home/x": not readable for user 65534: permission denied`,
		`f.yaml:12: hooks.a, step i, scripts: "DIR/t.d/a": not readable for user 65534: permission denied`,
		`f.yaml:13: hooks.a, step j, exec: "DIR/own-groups": not executable for user 65534 (chmod +x)`,
		`f.yaml:14: hooks.a, step k, exec: "DIR/home/tool": not readable for user 65534: permission denied`,
		`f.yaml:15: hooks.a, step l, exec: "DIR/listed/tool": not readable for user 65534: permission denied`,
		`f.yaml:16: hooks.a, step m, exec: "DIR/by-home": its interpreter "DIR/home/tool": not readable for user 65534: permission denied`,
		`f.yaml:17: hooks.a, step n, workingDir: "DIR/listed": may not be entered by user 65534: permission denied`,
		`f.yaml:18: hooks.a, step o, exec: "tool": not readable for user 65534: permission denied`,
	})
	if failed, _ = preflight(t, dir, yaml, Preflight{}); len(failed) > 0 {
		t.Errorf("a start does not look as others, but found %q", failed)
	}
	if executable.User() != 0 {
		t.Errorf("file permissions are user %d's afterwards", executable.User())
	}
}
