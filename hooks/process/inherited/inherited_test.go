package inherited

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestSet(t *testing.T) {
	s := Set(syscall.SIGHUP, syscall.SIGTERM, 64)
	if s != 1|1<<14|1<<63 {
		t.Errorf("%#x", uint64(s))
	}
	for sig, has := range map[syscall.Signal]bool{1: true, 2: false, 15: true, 64: true, 0: false, 65: false} {
		if s.Has(sig) != has {
			t.Errorf("Has(%d) is %v", int(sig), !has)
		}
	}
}

// A child gets the mask that this process was started with, whatever its
// thread has blocked, and the thread keeps its own.
func TestForkExecMask(t *testing.T) {
	started := Blocked()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old := SetMask(All)
	defer SetMask(old)

	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	pid, err := ForkExec("/bin/sed", []string{"sed", "-n", "s/SigBlk:[^0-9a-f]*//p", "/proc/self/status"},
		&syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, out.Fd(), 2}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(text)), fmt.Sprintf("%016x", uint64(started)); got != want {
		t.Errorf("the child has %s blocked, not %s", got, want)
	}
}

func TestEnviron(t *testing.T) {
	if err := os.Setenv("PODHOOK_TEST_LATER", "1"); err != nil {
		t.Fatal(err)
	}
	defer os.Unsetenv("PODHOOK_TEST_LATER")
	if strings.Contains(strings.Join(Environ(), "\n"), "PODHOOK_TEST_LATER") {
		t.Error("Environ has what was set later")
	}
	if len(Environ()) == 0 {
		t.Error("Environ is empty")
	}
}
