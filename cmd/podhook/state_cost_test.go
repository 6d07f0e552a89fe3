package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

var (
	madeFile    = regexp.MustCompile(`openat\([^"]*"([^"]+)", [A-Z_|]*O_CREAT`)
	renamedFile = regexp.MustCompile(`renameat2?\([^"]*"([^"]+)"[^"]*"([^"]+)"`)
	wroteRecord = regexp.MustCompile(`pwrite64\([^>]*run\.json(\.tmp)?>, "\{`)
)

// A call that runs one program makes two files in the state the first time, and then none.
// Each run writes its record twice, and now and then a new file for the last runs.
func TestFilesOfARun(t *testing.T) {
	strace := testutil.NeedProgram(t, "strace", "strace")
	if out, err := exec.Command(strace, "-f", "true").CombinedOutput(); err != nil {
		t.Skipf("strace needs ptrace(2), which is denied here: %v %s", err, out)
	}
	dir, err := os.MkdirTemp("", "cost") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "podhook.sock")
	s := newSandbox(t, "hooks: {demo: {steps: [{exec: ['true']}]}}", "PODHOOK_LISTEN=unix:"+socket)
	agent := s.begin(exec.Command(strace, "-f", "-y", "-s", "1", "-o", s.path("trace"),
		"-e", "trace=openat,renameat,renameat2,unlinkat,pwrite64,fsync,fdatasync,mkdirat", plain, "serve"))
	call := func(path string) ended { return s.run("http", "--unix-socket", socket, "http://localhost"+path) }
	testutil.Eventually(t, "the agent answers", func() bool { return call("/livez").code == 0 })
	const runs = 60
	for range runs {
		if e := call("/hooks/demo?force=true"); e.code != 0 {
			t.Fatal(e)
		}
	}
	for _, pid := range children(agent.cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	agent.wait(t)
	exists := map[string]bool{}
	var made []string
	records := 0
	for line := range strings.Lines(s.read("trace")) {
		if strings.Contains(line, "sync(") {
			t.Errorf("a call waits for the disk: %s", line)
		}
		if !strings.Contains(line, "/hooks/demo") {
			continue
		}
		if m := madeFile.FindStringSubmatch(line); m != nil && !exists[m[1]] {
			made, exists[m[1]] = append(made, m[1]), true
		}
		if m := renamedFile.FindStringSubmatch(line); m != nil && exists[m[1]] {
			exists[m[1]], exists[m[2]] = false, true
		}
		if wroteRecord.MatchString(line) {
			records++
		}
	}
	t.Logf("%d runs made %q and wrote %d records", runs, made, records)
	if want := "run.json marker.off"; !strings.HasPrefix(strings.Join(made, " "), want) || len(made) > 2+runs/20 {
		t.Errorf("%d runs made %q, want %s and few more", runs, made, want)
	}
	if records > 2*runs || records < 2*runs-runs/20 {
		t.Errorf("%d runs wrote %d records, want two each", runs, records)
	}
}
