package rehearse

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"github.com/podhook/podhook/internal/testutil"
)

// A descendant that left the session and ignores SIGTERM dies with the
// container's first process, whatever the isolation.
func TestEverythingDiesWithTheFirstProcess(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"namespaces", "none"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			p := newPod(t)
			r := rehearseJSON(t, p, p.serve("--isolation", isolation, "--env", "WORKLOAD=family")...)
			if !r.EverReady {
				t.Fatal("the grandchild has never served")
			}
			wantNone(t, r, "main", "SIGKILL")
			conn, err := net.DialTimeout("tcp", p.ip+":"+p.port, time.Second)
			if err == nil {
				conn.Close()
				t.Error("the grandchild still serves")
			}
		})
	}
}

// As PID 1 a process without a handler does not get SIGTERM.
func TestFirstProcessIsPID1(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	r := rehearseJSON(t, newPod(t), "--isolation", "namespaces", "--grace", "1", "--stop-after", "200ms", "--", "sh", "-c", "echo pid $$; exec sleep 60")
	if pid := logged(r, "main", "pid "); len(pid) != 1 || pid[0] != "1" {
		t.Errorf("pid %q, want 1", pid)
	}
	wantOnce(t, r, "main", "SIGKILL", 2, 4)
}

func TestCommandThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	for _, isolation := range []string{"namespaces", "none"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			r := rehearseJSON(t, newPod(t), "--isolation", isolation, "--restarts", "0", "--", "no-such-program")
			wantEvents(t, r, "Created", "Failed")
			if s := lastState(t, r, "main"); s.Reason != "StartError" || s.ExitCode != 128 || !strings.Contains(s.Message, "no-such-program") {
				t.Errorf("state %+v", s)
			}
		})
	}
}

// Without root the namespaces are made in a user namespace, and the container
// runs as the same user without any capability.
func TestNamespacesWithoutRoot(t *testing.T) {
	t.Parallel()
	testutil.NeedRoot(t, "become another user")
	p := newPod(t)
	script := `echo uid $(id -u); grep CapEff /proc/self/status; echo $$ is it; echo bye > /dev/termination-log; exec sleep 60`
	cmd := exec.Command("/proc/self/exe", "-o", "json", "--pod-ip", p.ip, "--isolation", "namespaces", "--grace", "1", "--stop-after", "100ms",
		"--post-start-exec", `["sh","-c","echo uid $(id -u); grep CapEff /proc/self/status"]`, "--", "sh", "-c", script)
	cmd.Env = append(os.Environ(), "AS_REHEARSE=true")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		if strings.Contains(errors.String(), "operation not permitted") || strings.Contains(errors.String(), "no space left") {
			t.Skip("this machine allows no user namespaces:", errors.String())
		}
		t.Fatal(err, errors.String())
	}
	var r kubelet.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"main", "main/postStart"} {
		if uid, caps := logged(r, who, "uid "), logged(r, who, "CapEff:\t"); len(uid) != 1 || uid[0] != "65534" || len(caps) != 1 || strings.Trim(caps[0], "0") != "" {
			t.Errorf("%s: uid %q, capabilities %q", who, uid, caps)
		}
	}
	if len(logged(r, "main", "1 is it")) != 1 || lastState(t, r, "main").Message != "bye\n" {
		t.Errorf("PID or termination message: %s", out)
	}
}

// rehearse ends its containers when a signal stops it, or when its reader goes away.
func TestNoContainerOutlivesRehearse(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(cmd *exec.Cmd, timeline io.Closer) error{
		"SIGTERM":              func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGTERM) },
		"SIGINT":               func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGINT) },
		"SIGHUP":               func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGHUP) },
		"the reader goes away": func(_ *exec.Cmd, timeline io.Closer) error { return timeline.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPod(t)
			cmd := exec.Command("/proc/self/exe", p.serve("--pod-ip", p.ip, "--stop-after", "1h", "--delete-at", "2h")...)
			cmd.Env = append(os.Environ(), "AS_REHEARSE=true", "TMPDIR="+t.TempDir())
			timeline, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for lines := bufio.NewScanner(timeline); lines.Scan() && !strings.Contains(lines.Text(), "pod is ready"); {
			}
			started := time.Now()
			if err := end(cmd, timeline); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the exit code is not what this is about
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("rehearse took %s to end", took)
			}
			if conn, err := net.DialTimeout("tcp", p.ip+":"+p.port, time.Second); err == nil {
				conn.Close()
				t.Error("the container still serves")
			}
		})
	}
}

// In a shared process namespace each container has mounts of its own: /run of one is not
// that of the other.
func TestSharedProcessNamespaceWithTmpfs(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	scratch, dir := t.TempDir(), t.TempDir()
	look := func(name string) string {
		argv, _ := json.Marshal([]string{"sh", "-c", "trap 'exit 0' TERM; ls " + scratch + " | sed 's/^/found /'; echo " + name + " > " + scratch + "/" + name +
			"; echo $$ > " + dir + "/" + name + "; while :; do sleep 0.05; done"})
		return string(argv)
	}
	var main []string
	if err := json.Unmarshal([]byte(look("main")), &main); err != nil {
		t.Fatal(err)
	}
	see := `["sh","-c","for f in ` + dir + `/*; do tr '\\0' ' ' < /proc/$(cat $f)/cmdline | grep -o 'echo [a-z]*' | sed -n 's/echo /sees /p' | head -1; done; ls ` + scratch + `"]`
	args := []string{"--isolation", "namespaces", "--share-process-namespace", "--tmpfs", scratch, "--sidecar", look("side"), "--restart-after", "300ms", "--stop-after", "0s",
		"--post-start-exec", after(dir+"/main", "until [ -e "+dir+"/side ]; do sleep 0.01; done"), "--grace", "5", "--pre-stop-exec", see}
	r := rehearseJSON(t, newPod(t), append(append(args, "--"), main...)...)
	if c := r.Containers[1]; c.RestartCount != 1 {
		t.Fatalf("container %+v, want 1 restart", c)
	}
	for _, who := range []string{"main", "sh"} {
		if found := logged(r, who, "found "); len(found) > 0 {
			t.Errorf("%s found %q in its new directory", who, found)
		}
	}
	for line, want := range map[string]int{"sees main": 2, "sees side": 2, "main": 2, "side": 0} {
		n := 0
		for _, e := range find(r, "main/preStop", "output") {
			if e.Result == line {
				n++
			}
		}
		if n != want {
			t.Errorf("preStop said %q %d times, want %d", line, n, want)
		}
	}
	wantNone(t, r, "main", "SIGKILL")
	wantNone(t, r, "sh", "SIGKILL")
}
