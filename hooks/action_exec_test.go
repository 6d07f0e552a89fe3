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
