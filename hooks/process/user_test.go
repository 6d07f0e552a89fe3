package process_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/internal/testutil"
)

const otherUser, otherGroup = 54321, 54322

// TestUser: a program runs as another user, without root's groups and
// capabilities, and its tree is killed like every other.
func TestUser(t *testing.T) {
	testutil.NeedRoot(t, "become another user")
	r := newReaper(t)
	var l lines
	spec := shell("id -u; id -g; id -G; grep CapEff /proc/self/status; cat /etc/shadow", &l)
	spec.User = &process.User{UID: otherUser, GID: otherGroup}
	result, err := r.Run(context.Background(), spec)
	if err != nil || result.ExitCode == 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	want := "stdout: 54321\nstdout: 54322\nstdout: 54322\nstdout: CapEff:\t0000000000000000\n"
	if got := l.text(); !strings.HasPrefix(got, want) || !strings.Contains(got, "Permission denied") {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	l = lines{}
	spec = shell("trap '' TERM; setsid sh -c 'echo $$; trap \"\" TERM; while :; do sleep 1; done' & wait", &l)
	spec.User = &process.User{UID: otherUser, GID: otherGroup}
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	result, err = r.Run(ctx, spec)
	if took := time.Since(began); err != nil || result.Stopped != process.TimedOut || result.Survivors != 0 || took > 10*time.Second {
		t.Fatalf("%+v, %v after %v", result, err, took)
	}
	var pid int
	if n, _ := fmt.Sscanf(l.text(), "stdout: %d", &pid); n != 1 {
		t.Fatalf("output %q", l.text())
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d, which left the session, lives: %v", pid, err)
	}
}

// helpUser tries to become another user without being root.
func helpUser() error {
	if err := errors.Join(syscall.Setgid(otherGroup), syscall.Setuid(otherUser)); err != nil {
		return err
	}
	r := process.NewReaper()
	defer r.Close()
	_, err := r.Run(context.Background(), process.Spec{Argv: []string{"/bin/true"}, User: &process.User{UID: 1, GID: 1}})
	var start *process.StartError
	if !errors.As(err, &start) || start.Op != "setuid" {
		return fmt.Errorf("got %v", err)
	}
	fmt.Println(err)
	return nil
}

func TestUserNeedsRoot(t *testing.T) {
	testutil.NeedRoot(t, "become another user")
	want := `cannot start "/bin/true": podhook (user 54321) may not become user 1, group 1: it takes root with the capabilities SETUID and SETGID`
	if got := startHelper(t, "user", nil); !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
}
