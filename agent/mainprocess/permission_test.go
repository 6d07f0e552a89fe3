package mainprocess

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/internal/testutil"
)

const nobody = 65534

// becomeNobody takes root's rights from this process for good.
func becomeNobody(t *testing.T) {
	t.Helper()
	for _, err := range []error{
		syscall.Setgroups(nil),
		syscall.Setresgid(nobody, nobody, nobody),
		syscall.Setresuid(nobody, nobody, nobody),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// startMaster starts one dash as root, with a child dash as nobody, and a third
// one as nobody where beside is true. It returns the first one's PID.
func startMaster(t *testing.T, beside bool) int {
	t.Helper()
	script := `setpriv --reuid 65534 --regid 65534 --clear-groups dash -c 'echo ready; sleep 60; :' & wait`
	n := 1
	if beside {
		script = "setpriv --reuid 65534 --regid 65534 --clear-groups dash -c 'echo ready; sleep 60; :' &" + script
		n = 2
	}
	cmd := exec.Command("dash", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	startCmd(t, cmd)
	lines := bufio.NewReader(out)
	for range n {
		if line, err := lines.ReadString('\n'); line != "ready\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	return cmd.Process.Pid
}

func TestNoPermission(t *testing.T) {
	if !inOwnNamespace(t) {
		return
	}
	testutil.NeedProgram(t, "dash", "dash")
	testutil.NeedProgram(t, "setpriv", "util-linux")
	master := startMaster(t, true)
	own := exec.Command("/bin/cat")
	own.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if _, err := own.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	startCmd(t, own)
	becomeNobody(t)

	for _, s := range []string{"name:dash", fmt.Sprint("pid:", strconv.Itoa(master))} {
		p := find(t, target(t, "%s", s))
		if p.PID() != master {
			t.Errorf("%s: found %d, want %d", s, p.PID(), master)
		}
		gone, err := p.Signal(syscall.SIGTERM)
		e := wantError[*process.DeniedError](t, err, "may not signal process "+strconv.Itoa(master)+" (dash) of user 0",
			"user 65534 lacks the capability CAP_KILL", "runAsUser")
		if gone || e.PID != master || !errors.Is(err, fs.ErrPermission) || !p.Alive() {
			t.Errorf("%s: gone %v, alive %v, %+v", s, gone, p.Alive(), e)
		}
	}

	// Its workers' program can be seen, its own cannot: a worker is not taken for it.
	exe, err := exec.LookPath("dash")
	if err != nil {
		t.Fatal(err)
	}
	_, err = lookFor(target(t, "exe:%s", exe))
	if e := wantError[*PermissionError](t, err, "may not see the program of process", "(dash)"); e.PID != master {
		t.Errorf("%+v, want %d", e, master)
	}

	// What nothing suggests is said to be none, with a hint.
	_, err = lookFor(target(t, "exe:/opt/other"))
	wantError[*NoneError](t, err, "do not let user 65534 see their program")

	// The same user's process is found by its program, and signalled.
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	p := find(t, target(t, "exe:%s", cat))
	if gone, err := p.Signal(syscall.SIGTERM); gone || err != nil || p.PID() != own.Process.Pid {
		t.Errorf("own process %d, found %d: gone %v, error %v", own.Process.Pid, p.PID(), gone, err)
	}
	if err := p.WaitExit(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestKernelThreadsAreRefused(t *testing.T) {
	s, err := procfs.Proc.Stat(2)
	if err != nil || !s.KernelThread() {
		t.Skip("process 2 is no kernel thread here: this is a PID namespace of its own")
	}
	_, err = lookFor(target(t, "pid:2"))
	wantError[*RefusedError](t, err, "a kernel thread")
	_, err = lookFor(target(t, "name:%s", s.Comm))
	wantError[*NoneError](t, err)
}
