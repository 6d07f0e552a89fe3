package procfs

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestReadSelf(t *testing.T) {
	s, err := Proc.Stat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if s.PID != os.Getpid() || s.PPID != os.Getppid() || s.Start == 0 || s.Threads < 1 || s.KernelThread() {
		t.Errorf("of this process: %+v", s)
	}
}

func TestParse(t *testing.T) {
	const rest = " S 1 7 8 0 -1 2097216 0 0 0 0 0 0 0 0 20 0 3 0 4242 0 0"
	for name, want := range map[string]string{"sh": "sh", "a) S 9 (b": "a) S 9 (b", "": ""} {
		s, err := parse([]byte("12 (" + name + ")" + rest))
		if err != nil || s.Comm != want || s.PID != 12 || s.PPID != 1 || s.Group != 7 || s.Session != 8 || s.Threads != 3 || s.Start != 4242 || !s.KernelThread() {
			t.Errorf("%q: %+v, %v", name, s, err)
		}
	}
	for _, bad := range []string{"", "12", "12 (sh", "12 (sh) S 1", ") 12 (", "x (sh)" + rest} {
		if s, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q is read as %+v", bad, s)
		}
	}
}

func TestStarted(t *testing.T) {
	s, err := Proc.Stat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(Started(s.Start)); age < -Tick || age > time.Hour {
		t.Errorf("this process is %v old", age)
	}
	if !Started(0).IsZero() {
		t.Error("a start that is not known has a time")
	}
}

func TestOfSelf(t *testing.T) {
	pid := os.Getpid()
	if got := Proc.Status(pid, "Tgid"); got != strconv.Itoa(pid) {
		t.Errorf("Tgid %q, want %d", got, pid)
	}
	if got := Proc.Status(pid, "None"); got != "" {
		t.Errorf("a field that does not exist is %q", got)
	}
	all, err := Proc.Programs()
	if _, ok := all[pid]; err != nil || !ok {
		t.Errorf("this process is not among %d: %v", len(all), err)
	}
	if id := Proc.RootMount(Self); id != Proc.RootMount(pid) {
		t.Errorf("root mount %q by self, %q by PID", id, Proc.RootMount(pid))
	}
	if !slices.Equal(Proc.Environ(Self), Proc.Environ(pid)) || len(Proc.Environ(pid)) == 0 {
		t.Errorf("environment %q", Proc.Environ(pid))
	}
	none := FS(t.TempDir())
	if all, err := none.Programs(); len(all) != 0 || err != nil || none.RootMount(Self) != "" || none.Environ(pid) != nil || none.BootID() != "" {
		t.Errorf("an empty directory has %v, %v", all, err)
	}
}
