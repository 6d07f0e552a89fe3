package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// preflight checks a configuration in which DIR stands for the directory. The problems have
// DIR again, and whole values: the cut of a long one would depend on TMPDIR.
func preflight(t *testing.T, dir, yaml string, p Preflight, as ...func(*testing.T, string, func())) (failed, warnings []string) {
	t.Helper()
	file := write(t, filepath.Join(t.TempDir(), "f.yaml"), "", 0o644)
	c, err := Parse(file, []byte(strings.ReplaceAll(yaml, "DIR", dir)), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _, _ = c.withScripts(nil)
	if len(as) == 0 {
		p.Look(c)
	} else {
		as[0](t, dir, func() { p.Look(c) })
	}
	short := func(list []Problem) (lines []string) {
		for _, p := range list {
			p.Msg = `"` + p.Value + `": ` + p.Msg
			p.Value = ""
			lines = append(lines, strings.NewReplacer(file, "f.yaml", dir, "DIR").Replace(p.Error()))
		}
		return lines
	}
	return short(p.Failed), short(p.Warnings)
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPreflightPrograms(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "good"), "#!/bin/sh\n", 0o755)
	write(t, filepath.Join(dir, "plain"), "#!/bin/sh\n", 0o644)
	write(t, filepath.Join(dir, "crlf"), "#!/bin/sh\r\n", 0o755)
	write(t, filepath.Join(dir, "python"), "#!/no/such/python\n", 0o755)
	write(t, filepath.Join(dir, "env"), "#!/usr/bin/env no-such-python\n", 0o755)
	failed, warnings := preflight(t, dir, `hooks:
  a:
    steps:
    - exec: [DIR/good]
      workingDir: DIR
    - exec: [/bin/true]
    - exec: [sh, -c, ":"]
    - exec: [./relative]
    - exec: [DIR/plain]
    - exec: [DIR/crlf]
    - {name: dir, exec: [DIR]}
    - exec: [DIR/missing]
    - exec: [no-such-program]
    - {name: where, exec: [/bin/true], workingDir: DIR/good}
    - {name: path, exec: [good], env: {PATH: DIR}}
    - {name: no-path, exec: [sh], env: {PATH: DIR}}
    - {name: relative, exec: [./good], workingDir: DIR}
    - {name: not-there, exec: [./bad], workingDir: DIR}
    - exec: [DIR/python]
    - exec: [DIR/env]
`, Preflight{})
	same(t, "failed", failed, []string{
		`f.yaml:8: hooks.a, step exec-relative, exec: "` + here(t) + `/relative": does not exist`,
		`f.yaml:9: hooks.a, step exec-plain, exec: "DIR/plain": not executable for user ` + uid() + ` (chmod +x)`,
		`f.yaml:10: hooks.a, step exec-crlf, exec: "DIR/crlf": its #! line ends in CR LF, so that the interpreter would be looked for with a "\r"; save it with LF line ends`,
		`f.yaml:11: hooks.a, step dir, exec: "DIR": a directory; a program is needed`,
		`f.yaml:12: hooks.a, step exec-missing, exec: "DIR/missing": does not exist`,
		`f.yaml:13: hooks.a, step exec-no-such-program, exec: "no-such-program": not found in PATH "/bin:/usr/bin"`,
		`f.yaml:14: hooks.a, step where, workingDir: "DIR/good": a regular file; a directory is needed`,
		`f.yaml:16: hooks.a, step no-path, exec: "sh": not found in PATH "DIR"`,
		`f.yaml:18: hooks.a, step not-there, exec: "DIR/bad": does not exist`,
		`f.yaml:19: hooks.a, step exec-python, exec: "DIR/python": its interpreter "/no/such/python": does not exist`,
	})
	same(t, "warnings", warnings, []string{
		`f.yaml:20: hooks.a, step exec-env, exec: "DIR/env": its interpreter "no-such-python" is not in the PATH`,
	})
}

// A missing file is a warning, because a volume may bring it. A bad file fails.
func TestPreflightFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "x", 0o644)
	secret := write(t, filepath.Join(dir, "secret"), "x", 0o000)
	locked := filepath.Join(dir, "locked")
	if err := errors.Join(os.Mkdir(locked, 0o755), os.Symlink("locked/nothing", filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	there := write(t, filepath.Join(locked, "there"), "x", 0o666)
	if err := errors.Join(os.Chmod(there, 0o666), os.Chmod(locked, 0o555)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(locked, 0o755) }) // else the file in it cannot be removed
	if os.Geteuid() == 0 {
		// The file exists, but not for this user.
		if err := os.Chown(secret, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	const yaml = `hooks:
  a:
    marker: DIR/locked/marker
    steps:
    - {name: new, write: {file: DIR/locked/new}}
    - {name: dir, write: {file: DIR/locked}}
    - {name: under, write: {file: DIR/file/x}}
    - {name: volume, write: {file: DIR/volume/x}}
    - {name: gone, remove: DIR/locked/new}
    - {name: ca, http: {url: "https://a", caFile: DIR/secret}}
    - {name: token, wait: {http: {url: "http://a", headers: {A: {file: DIR/token}}}}}
    - {name: metric, wait: {metric: {url: "http://a", name: m, atMost: 1, headers: {A: {file: DIR/secret}}}}}
    - {name: fine, write: {file: /dev/shm/x}}
    - {name: in-place, write: {file: DIR/locked/there}}
    - {name: device, write: {file: /dev/null}}
    - {name: dangling, write: {file: DIR/link}}
    - {name: nul, remove: /dev/null}
    - {name: in-group, parallel: [{name: b, write: {file: DIR/locked/b}}]}
  b:
    marker: DIR/volume/marker
    steps:
    - sleep: 1s
`
	failed, warnings := preflight(t, dir, yaml, Preflight{}, asNobody)
	who := "65534"
	if os.Geteuid() != 0 {
		who = uid()
	}
	denied := `its directory cannot be written by user ` + who + `: permission denied`
	same(t, "failed", failed, []string{
		`f.yaml:2: hooks.a.marker: "DIR/locked/marker": ` + denied,
		`f.yaml:5: hooks.a, step new, write: "DIR/locked/new": ` + denied,
		`f.yaml:6: hooks.a, step dir, write: "DIR/locked": no regular file (dr-xr-xr-x); only a regular file can be written`,
		`f.yaml:7: hooks.a, step under, write: "DIR/file/x": its directory: a regular file; a directory is needed`,
		`f.yaml:10: hooks.a, step ca: "DIR/secret": not readable for user ` + who + `: permission denied`,
		`f.yaml:12: hooks.a, step metric: "DIR/secret": not readable for user ` + who + `: permission denied`,
		`f.yaml:15: hooks.a, step device, write: "/dev/null": no regular file (Dcrw-rw-rw-); only a regular file can be written`,
		`f.yaml:16: hooks.a, step dangling, write: "DIR/link": ` + denied,
		`f.yaml:17: hooks.a, step nul, remove: "/dev/null": a device; podhook removes none`,
		`f.yaml:18: hooks.a, step in-group/b, write: "DIR/locked/b": ` + denied,
	})
	same(t, "warnings", warnings, []string{
		`f.yaml:8: hooks.a, step volume, write: "DIR/volume/x": its directory: does not exist`,
		`f.yaml:11: hooks.a, step token: "DIR/token": does not exist`,
		`f.yaml:19: hooks.b.marker: "DIR/volume/marker": its directory: does not exist`,
	})
}

// The two files of a client's certificate are read: nothing else shows before the call that
// they are no pair. No finding shows what is in them.
func TestPreflightClientCertificate(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"one", "two"} {
		cert, key := testutil.ClientCertificate(t, name)
		write(t, filepath.Join(dir, name+".crt"), string(cert), 0o644)
		write(t, filepath.Join(dir, name+".key"), string(key), 0o644)
	}
	write(t, filepath.Join(dir, "token"), secret, 0o644)
	closed := write(t, filepath.Join(dir, "closed"), secret, 0o000)
	if os.Geteuid() == 0 {
		if err := os.Chown(closed, 1, 1); err != nil { // not even readable for the user of asNobody
			t.Fatal(err)
		}
	}
	failed, warnings := preflight(t, dir, `ready:
- http: {url: "https://a", certFile: DIR/two.crt, keyFile: DIR/one.key}
hooks:
  a:
    steps:
    - {name: good, http: {url: "https://a", certFile: DIR/one.crt, keyFile: DIR/one.key}}
    - {name: absent, http: {url: "https://a", certFile: DIR/none.crt, keyFile: DIR/none.key}}
    - {name: closed, http: {url: "https://a", certFile: DIR/one.crt, keyFile: DIR/closed}}
    - {name: mixed, wait: {http: {url: "https://a", certFile: DIR/one.crt, keyFile: DIR/two.key}}}
    - {name: token, wait: {metric: {url: "https://a", name: m, atMost: 0, certFile: DIR/one.crt, keyFile: DIR/token}}}
    - {name: swapped, http: {url: "https://a", certFile: DIR/one.key, keyFile: DIR/one.crt}}
`, Preflight{}, asNobody)
	who := "65534"
	if os.Geteuid() != 0 {
		who = uid()
	}
	same(t, "failed", failed, []string{
		`f.yaml:2: ready[0], keyFile: "DIR/one.key": not the key of the certificate in DIR/two.crt; the two files of one pair are needed`,
		`f.yaml:8: hooks.a, step closed, keyFile: "DIR/closed": not readable for user ` + who + `: permission denied`,
		`f.yaml:9: hooks.a, step mixed, keyFile: "DIR/two.key": not the key of the certificate in DIR/one.crt; the two files of one pair are needed`,
		`f.yaml:10: hooks.a, step token, keyFile: "DIR/token": there is no private key in it; a PEM file with -----BEGIN PRIVATE KEY----- is needed`,
		`f.yaml:11: hooks.a, step swapped, certFile: "DIR/one.key": there is a private key and no certificate in it; certFile and keyFile may be swapped`,
	})
	same(t, "warnings", warnings, []string{
		`f.yaml:7: hooks.a, step absent, certFile: "DIR/none.crt": does not exist`,
		`f.yaml:7: hooks.a, step absent, keyFile: "DIR/none.key": does not exist`,
	})
}

func TestPreflightRemove(t *testing.T) {
	dir := t.TempDir()
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(locked, "x"), "", 0o644)
	if err := os.Chmod(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	write(t, filepath.Join(closed, "x"), "", 0o644)
	if err := os.Chmod(closed, 0o666); err != nil { // it can be written, and not be entered
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(os.Chmod(locked, 0o755), os.Chmod(closed, 0o755)) }) // else they cannot be removed
	for _, in := range []string{"locked", "closed"} {
		failed, _ := preflight(t, dir, "hooks:\n  a:\n    steps:\n    - {name: r, remove: DIR/"+in+"/x}\n", Preflight{}, asNobody)
		if len(failed) != 1 || !strings.Contains(failed[0], `step r, remove: "DIR/`+in+`/x": its directory cannot be written by user`) {
			t.Errorf("%s: got %q", in, failed)
		}
	}
}

// A read-only or noexec mount refuses root too.
func TestPreflightMounts(t *testing.T) {
	testutil.NeedRoot(t, "mount")
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Skipf("no mount here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	write(t, filepath.Join(dir, "run"), "#!/bin/sh\n", 0o755)
	if err := os.Chmod(filepath.Join(dir, "run"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOEXEC, ""); err != nil {
		t.Fatal(err)
	}
	single := write(t, filepath.Join(t.TempDir(), "single"), "", 0o644)
	if err := unix.Mount(single, single, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(single, unix.MNT_DETACH) })
	failed, _ := preflight(t, dir, strings.ReplaceAll(`hooks:
  a:
    steps:
    - {exec: [DIR/run]}
    - {name: w, write: {file: DIR/new}}
    - {name: single, write: {file: SINGLE}}
    - {name: r, remove: SINGLE}
  b:
    marker: SINGLE
    steps:
    - sleep: 1s
`, "SINGLE", single), Preflight{})
	same(t, "failed", failed, []string{ // and nobody can change what is read-only
		`f.yaml:4: hooks.a, step exec-run, exec: "DIR/run": on a mount with noexec (move it, or run it by its interpreter)`,
		`f.yaml:5: hooks.a, step w, write: "DIR/new": its directory is on a read-only mount`,
		`f.yaml:7: hooks.a, step r, remove: "` + single + `": a mount, which cannot be removed`,
		`f.yaml:8: hooks.b.marker: "` + single + `": a mount of its own, which is always there; mount the directory of the marker`,
	})
}

func TestPreflightSense(t *testing.T) {
	_, warnings := preflight(t, t.TempDir(), `hooks:
  prestart:
    steps:
    - {name: a, sleep: 1s, when: {trigger: [signal]}}
    - {name: b, sleep: 1s, when: {trigger: [signal, start]}}
  shutdown:
    steps:
    - {name: c, sleep: 1s, when: {trigger: [start]}}
    - {name: d, sleep: 1s, when: {trigger: [signal]}}
  poststop:
    steps:
    - {name: e, signal: TERM}
    - {name: f, sleep: 1s, when: {trigger: [start]}}
  own:
    steps:
    - {name: g, sleep: 1s, when: {trigger: [signal, start]}}
    - {name: h, sleep: 1s, when: {trigger: [http]}}
`, Preflight{})
	const never = ": the step never runs: this hook is not called so"
	same(t, "warnings", warnings, []string{
		`f.yaml:4: hooks.prestart, step a, when.trigger: "signal"` + never,
		`f.yaml:8: hooks.shutdown, step c, when.trigger: "start"` + never,
		`f.yaml:12: hooks.poststop, step e: "": does nothing here: the main process has exited before poststop begins`,
		`f.yaml:16: hooks.own, step g, when.trigger: "signal, start"` + never,
	})
}

// here is the working directory of the test.
func here(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
