package process_test

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/process"
)

// What a killed worker leaves falls to its caller, which ends it.
func TestKillDescendants(t *testing.T) {
	dir := t.TempDir()
	r := newReaper(t)
	pid, exited, err := r.Start(func() (int, error) {
		return syscall.ForkExec(testBinary(t), []string{"worker"}, &syscall.ProcAttr{
			Env:   append(os.Environ(), helperVariable+"=worker", "P="+dir+"/pids"),
			Files: []uintptr{0, 1, 2},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	pids := awaitPids(t, dir+"/pids", 3)
	syscall.Kill(pid, syscall.SIGKILL)
	<-exited
	if left := r.KillDescendants(os.Getpid()); left != 0 {
		t.Errorf("%d are left", left)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d lives", pid)
		}
	}
	await(t, "no zombie is left", func() bool { return len(children()) == 0 })
}

func helpWorker() error {
	r := process.NewReaper()
	if err := r.Subreaper(); err != nil {
		return err
	}
	_, err := r.Run(context.Background(), shell("trap '' TERM; echo $$ >>$P; sleep 60 & "+
		"setsid sh -c 'echo $$ >>$P; exec sleep 60' & (env -i P=$P setsid sh -c 'echo $$ >>$P; exec sleep 60' &); sleep 60", nil))
	return err
}

// The leader of a step dies with podhook, even where nobody else sees to it.
func TestLeaderDiesWithPodhook(t *testing.T) {
	dir := t.TempDir()
	r := newReaper(t)
	pid, exited, err := r.Start(func() (int, error) {
		return syscall.ForkExec(testBinary(t), []string{"worker"}, &syscall.ProcAttr{
			Env:   append(os.Environ(), helperVariable+"=worker", "P="+dir+"/pids"),
			Files: []uintptr{0, 1, 2},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	leader := awaitPids(t, dir+"/pids", 3)[0]
	group, err := syscall.Getpgid(leader)
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	<-exited
	await(t, "the leader is dead", func() bool { return !alive(group) })
	r.KillDescendants(os.Getpid())
}
