package process_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/internal/testutil"
)

// noNewPrivs is that of a process, of its child and of that one's child.
const noNewPrivs = `grep NoNewPrivs /proc/self/status; sh -c 'grep NoNewPrivs /proc/self/status; sh -c "grep NoNewPrivs /proc/self/status; :"; :'`

// confinedBefore skips a test where everything has no_new_privs, as this process has.
func confinedBefore(t *testing.T) {
	t.Helper()
	if n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || n != 0 {
		t.Skipf("this process has no_new_privs itself: %d, %v", n, err)
	}
}

// TestNoNewPrivileges: a program and its descendants have no_new_privs if, and only if,
// it is asked for, also when both kinds start at once. podhook's main thread, which
// /proc/PID/status shows, never has it.
func TestNoNewPrivileges(t *testing.T) {
	confinedBefore(t)
	r := newReaper(t)
	before := threads(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			var l lines
			spec := shell(noNewPrivs, &l)
			spec.NoNewPrivileges = i%2 == 0
			result, err := r.Run(context.Background(), spec)
			want := strings.TrimSpace(strings.Repeat("stdout: NoNewPrivs:\t"+strconv.Itoa((i+1)%2)+"\n", 3))
			if got := l.text(); err != nil || result.ExitCode != 0 || got != want {
				t.Errorf("%d: %+v, %v: got\n%s\nwant\n%s", i, result, err, got, want)
			}
		})
	}
	all.Wait()
	marked := 0
	for _, thread := range threads(t) {
		if thread.noNewPrivs {
			marked++
			if thread.id == os.Getpid() {
				t.Error("the main thread has no_new_privs")
			}
		}
	}
	if marked != 1 {
		t.Errorf("%d threads have no_new_privs, of %d before and %d now", marked, len(before), len(threads(t)))
	}
}

// A closed reaper leaves no thread with no_new_privs.
func TestNoNewPrivilegesEnds(t *testing.T) {
	confinedBefore(t)
	r := process.NewReaper()
	mustRun(t, r, context.Background(), process.Spec{Argv: []string{"true"}, NoNewPrivileges: true})
	r.Close()
	await(t, "the thread has ended", func() bool {
		for _, thread := range threads(t) {
			if thread.noNewPrivs {
				return false
			}
		}
		return true
	})
}

// Even root's own programs gain nothing: a set-user-ID copy of id keeps the user.
func TestNoNewPrivilegesAndUser(t *testing.T) {
	testutil.NeedRoot(t, "become another user")
	confinedBefore(t)
	r := newReaper(t)
	id, err := os.ReadFile("/usr/bin/id")
	if err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "podhook-setuid-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := dir + "/id"
	write(t, program, string(id), 0o755)
	if err := os.Chmod(program, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	for confined, want := range map[bool]string{false: "0", true: strconv.Itoa(otherUser)} {
		var l lines
		spec := shell("id -u; exec "+program+" -u", &l)
		spec.User = &process.User{UID: otherUser, GID: otherGroup}
		spec.NoNewPrivileges = confined
		mustRun(t, r, context.Background(), spec)
		if got, want := l.text(), "stdout: 54321\nstdout: "+want; got != want {
			if !confined {
				t.Skipf("set-user-ID has no effect in %s: %s", dir, got)
			}
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// The program of a confined start that fails is explained like every other.
func TestNoNewPrivilegesStartError(t *testing.T) {
	r := newReaper(t)
	_, err := r.Run(context.Background(), process.Spec{Argv: []string{"/no/such"}, NoNewPrivileges: true})
	if err == nil || !strings.Contains(err.Error(), `cannot start "/no/such": does not exist`) {
		t.Errorf("got %v", err)
	}
	_, err = r.Run(context.Background(), process.Spec{Argv: []string{"/bin/true"}, Dir: "/no/dir", NoNewPrivileges: true})
	if err == nil || !strings.Contains(err.Error(), "working directory /no/dir") {
		t.Errorf("got %v", err)
	}
}

type thread struct {
	id         int
	noNewPrivs bool
}

// threads lists this process's threads. One that ends meanwhile is left out.
func threads(t *testing.T) (list []thread) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile("/proc/self/task/" + entry.Name() + "/status")
		if err != nil {
			continue
		}
		id, _ := strconv.Atoi(entry.Name())
		list = append(list, thread{id, strings.Contains(string(text), "NoNewPrivs:\t1\n")})
	}
	return list
}
