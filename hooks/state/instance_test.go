package state

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/podhook/podhook/hooks/procfs"
)

func TestInstanceOutsideOfAContainerIsTheBoot(t *testing.T) {
	in := currentInstance(procfs.Proc)
	if len(in.ID) != 16 || len(in.Container) != 16 {
		t.Fatalf("%+v", in)
	}
	if again := currentInstance(procfs.Proc); again.ID != in.ID {
		t.Errorf("%s, then %s", in.ID, again.ID)
	}
}

func TestInstanceWithoutProc(t *testing.T) {
	empty := procfs.FS(t.TempDir())
	a, b := currentInstance(empty), currentInstance(empty)
	if a.ID != b.ID || len(a.ID) != 16 || a.Container == "" {
		t.Errorf("%+v and %+v", a, b)
	}
}

// fakeProc is a /proc of files, for what cannot be had from real processes.
type fakeProc struct {
	t   *testing.T
	dir string
}

func (p fakeProc) fs() procfs.FS { return procfs.FS(p.dir) }

func (p fakeProc) process(pid, stat, mountinfo string) {
	p.t.Helper()
	d := filepath.Join(p.dir, pid)
	if err := os.MkdirAll(d, 0o700); err != nil {
		p.t.Fatal(err)
	}
	for name, text := range map[string]string{"stat": stat, "mountinfo": mountinfo} {
		if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

func stat(head, flags, start string) string {
	return head + " S 1 1 1 0 -1 " + flags + " 0 0 0 0 0 0 0 0 20 0 1 0 " + start + " 1 1\n"
}

func TestFirstProcessIsTheOldestOfOurRoot(t *testing.T) {
	const (
		theirs = "10 1 0:1 / / rw - overlay overlay rw\n"
		ours   = "19 20 0:3 / /proc rw - proc proc rw\n20 2 0:2 / / rw - overlay overlay rw\n"
	)
	p := fakeProc{t, t.TempDir()}
	p.process("self", "", ours)
	p.process("1", stat("1 (pause)", "0", "5"), theirs)
	p.process("2", stat("2 (kthread)", "2097152", "1"), ours) // PF_KTHREAD
	p.process("30", stat("30 (late)", "0", "900"), ours)
	p.process("40", stat("40 (a) S 1 (b)", "0", "100"), ours) // the name is "a) S 1 (b"
	p.process("50", stat("50 (old other)", "0", "50"), theirs)
	p.process("60", "60 (half", ours)
	got, ok := findFirst(p.fs())
	if !ok || got != (firstProcess{"20", 40, 100}) {
		t.Errorf("first process %+v, %v, want PID 40 of 100", got, ok)
	}
}

func TestFirstProcessInAChrootIsNotGuessed(t *testing.T) {
	p := fakeProc{t, t.TempDir()}
	p.process("self", "", "19 20 0:3 / /proc rw - proc proc rw\n")
	p.process("1", stat("1 (init)", "0", "5"), "20 2 0:2 / / rw - ext4 x rw\n")
	if got, ok := findFirst(p.fs()); ok {
		t.Errorf("first process %+v", got)
	}
}

func TestPidInodeTellsProcessesApart(t *testing.T) {
	self := pidInode(os.Getpid())
	if self == "" {
		t.Skip("this kernel has no pidfs (Linux 6.9)")
	}
	if again := pidInode(os.Getpid()); again != self {
		t.Errorf("%s, then %s", self, again)
	}
	if one := pidInode(1); one == self || one == "" {
		t.Errorf("PID 1 has %q, we have %q", one, self)
	}
	if none := pidInode(-1); none != "" {
		t.Errorf("PID -1 has %q", none)
	}
}
