package mainprocess

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// Where only this container's processes can be seen, that may be what is wrong, and
// not the name. Another container's are in another cgroup.
func TestNotFoundAmongOwnProcesses(t *testing.T) {
	if !inOwnNamespace(t) {
		return
	}
	const hint = "those of other containers are visible only with shareProcessNamespace: true"
	cmd := start(t, "/bin/sleep", "60")
	targets := []Target{target(t, "name:no-such-main"), target(t, "exe:/no/such/main"), target(t, "pid:4194304")}
	for _, tg := range targets {
		_, err := lookFor(tg)
		wantError[*NoneError](t, err, tg.String()+" not found", hint)
	}
	if !anotherCgroup(t, cmd) {
		t.Log("no cgroup can be made here")
		return
	}
	for _, tg := range targets {
		_, err := lookFor(tg)
		if wantError[*NoneError](t, err); strings.Contains(err.Error(), hint) {
			t.Errorf("with another container's process: %v", err)
		}
	}
}

// anotherCgroup moves a process into a cgroup of its own, where one can be made.
func anotherCgroup(t *testing.T, cmd *exec.Cmd) bool {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
			continue
		}
		dir, err := os.MkdirTemp(root, "podhook-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() {
			end(cmd)
			testutil.Eventually(t, "the cgroup is empty", func() bool { return os.Remove(dir) == nil })
		})
		if os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0) == nil {
			return true
		}
	}
	return false
}

func TestNotFoundOffersTheNearest(t *testing.T) {
	path, _ := sleeper(t, "web-server-main")
	for given, near := range map[string]string{
		"name:web-servre-main":          "there is name:web-server-main",
		"name:Web_Server_Main":          "there is name:web-server-main",
		"exe:/usr/sbin/web-server-main": "there is exe:" + path,
		"exe:/usr/sbin/web-server-mian": "there is exe:" + path,
	} {
		_, err := lookFor(target(t, "%s", given))
		wantError[*NoneError](t, err, given+" not found: none of the ", near)
	}
	_, err := lookFor(target(t, "name:quite-different"))
	if wantError[*NoneError](t, err); strings.Contains(err.Error(), "there is") {
		t.Error(err)
	}
}

// The exe of a script is its interpreter's, which nothing finds by the script's path;
// its name is the script's.
func TestNotFoundExeOfScript(t *testing.T) {
	script := filepath.Join(t.TempDir(), "main.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh -e\nsleep 60; :\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := start(t, script)
	testutil.Eventually(t, "the script runs", func() bool {
		p, err := lookFor(target(t, "name:main.sh"))
		if err == nil {
			p.Close()
		}
		return err == nil && p.PID() == cmd.Process.Pid
	})
	_, err := lookFor(target(t, "exe:%s", script))
	wantError[*NoneError](t, err, "a script has no exe of its own: its process runs /bin/sh; use name:main.sh or pidfile:PATH")
}
