package hooks

import (
	"os"
	"strings"
	"testing"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// TestUser runs programs as other users, without root's groups.
func TestUser(t *testing.T) {
	testutil.NeedRoot(t, "become another user")
	b := newBench(t, hook(`
- {name: both, exec: [sh, -c, "id -u; id -g; id -G"], user: "12345:23456"}
- {name: number, exec: [sh, -c, "id -u; id -g; id -G"], user: 12345}
- {name: name, exec: [sh, -c, "id -un; id -gn; id -Gn"], user: nobody}
- {name: own, exec: [id, -u]}
- {name: denied, exec: [sh, -c, "echo x >DIR/x"], user: nobody, onFailure: continue}
- {name: gone, exec: ["true"], user: no-such-user}
`))
	rec := b.expect(state.Failed, "both succeeded", "number succeeded", "name succeeded", "own succeeded", "denied failed", "gone failed")
	want := "both: 12345\nboth: 23456\nboth: 23456\nnumber: 12345\nnumber: 12345\nnumber: 12345\nname: nobody\nname: nogroup\nname: nogroup\nown: 0\n"
	if !strings.HasPrefix(b.out.text(), want) {
		t.Errorf("got\n%s\nwant\n%s", b.out.text(), want)
	}
	contains(t, rec.Steps[5].Error, `user "no-such-user" is not in /etc/passwd`)
}

// TestNoNewPrivileges: only the steps that ask for it, and all scripts of a directory, have
// no_new_privs, also as another user and in a group.
func TestNoNewPrivileges(t *testing.T) {
	if own := noNewPrivs(t, "/proc/self/status"); own != "NoNewPrivs:\t0" {
		t.Skip("the test itself has no_new_privs")
	}
	const show = `exec: [grep, NoNewPrivs, /proc/self/status]`
	steps := `
- {name: before, SHOW}
- {name: with, SHOW, noNewPrivileges: true}
- {name: without, SHOW, noNewPrivileges: false}
- {scripts: DIR/a.d, name: dir, noNewPrivileges: true}
- parallel: [{name: in-group, SHOW, noNewPrivileges: true}]
  name: group
- {name: after, SHOW}
`
	want := "before: 0\nwith: 1\nwithout: 0\ndir/a: 1\ngroup/in-group: 1\nafter: 0"
	done := []string{"before succeeded", "with succeeded", "without succeeded", "dir/a succeeded", "group/in-group succeeded", "after succeeded"}
	if os.Geteuid() == 0 {
		steps += "- {name: as-user, SHOW, user: nobody, noNewPrivileges: true}\n"
		want += "\nas-user: 1"
		done = append(done, "as-user succeeded")
	}
	b := newBench(t, hook(strings.ReplaceAll(steps, "SHOW", show)))
	if err := os.Mkdir(b.path("a.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.path("a.d/a"), []byte("#!/bin/sh\ngrep NoNewPrivs /proc/self/status\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.expect(state.Succeeded, done...)
	if got := strings.ReplaceAll(b.out.text(), "NoNewPrivs:\t", ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// noNewPrivs is the line of a status file.
func noNewPrivs(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nNoNewPrivs:")
	line, _, _ := strings.Cut(rest, "\n")
	return "NoNewPrivs:" + line
}

// TestUserEnvironment: a program gets the home of its own user, not root's.
func TestUserEnvironment(t *testing.T) {
	testutil.NeedRoot(t, "become another user")
	const show = `exec: [sh, -c, 'echo "$HOME $${USER-none} $${LOGNAME-none}"']`
	b := newBench(t, hook(strings.ReplaceAll(`
- {name: own, SHOW}
- {name: name, SHOW, user: nobody}
- {name: number, SHOW, user: 65534}
- {name: group, SHOW, user: "65534:7"}
- {name: unknown, SHOW, user: 54321}
- {name: given, SHOW, user: nobody, env: {HOME: /srv, USER: me}}
`, "SHOW", show)), func(o *Options) {
		o.Environ = []string{"HOME=/root", "USER=root", "LOGNAME=root", "PATH=" + os.Getenv("PATH")}
	})
	b.expect(state.Succeeded, "own succeeded", "name succeeded", "number succeeded", "group succeeded", "unknown succeeded", "given succeeded")
	want := `own: /root root root
name: /nonexistent nobody nobody
number: /nonexistent nobody nobody
group: /nonexistent nobody nobody
unknown: / none none
given: /srv me nobody`
	if got := b.out.text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
