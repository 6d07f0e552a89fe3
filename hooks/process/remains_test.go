package process_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

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
	if left := r.KillDescendants(process.Remains{}); left != 0 {
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

// A step of a dead run may call the hook again: neither podhook nor what it descends
// from is ended, and all else that the run has left is, but for what is spared.
func TestEndMarked(t *testing.T) {
	const shell = `"$0"; echo "the shell lives"`
	run := fmt.Sprintf("RUN=dead-%d", os.Getpid()) // no other run of this test has it
	out := startHelper(t, "marked", nil, "env", run, "STEP=bad", "sh", "-c", shell)
	if out != "the shell lives\n" {
		t.Error(out)
	}
}

func helpMarked() error {
	dir, err := os.MkdirTemp("", "marked")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := process.NewReaper()
	defer r.Close()
	if err := r.Subreaper(); err != nil {
		return err
	}
	dead := process.Remains{Mark: "RUN=" + os.Getenv("RUN"), Spared: []string{"STEP=good"}}
	pids, err := orphans(r, dir, map[string]string{
		"plain":   `exec sleep 60`,
		"stopped": `trap 'echo told >$D/told; exit' TERM; kill -STOP $$; sleep 60`,
		"child":   `env -i D=$D sh -c 'echo $$ >$D/bare; exec sleep 60' & wait`,
		"spared":  `export STEP=good; exec sh -c 'exec sleep 60'`,
		"other":   `export RUN=other; exec sh -c 'exec sleep 60'`,
	}, "bare")
	if err != nil {
		return err
	}
	const killAfter = 30 * time.Second
	began := time.Now()
	if ended, left := r.EndMarked(dead, killAfter); left != 0 || ended < 4 || time.Since(began) >= killAfter {
		return fmt.Errorf("%d ended, %d left after %v", ended, left, time.Since(began))
	}
	for name, pid := range pids {
		if lives := name == "spared" || name == "other"; alive(pid) != lives {
			return fmt.Errorf("%s lives: %v", name, alive(pid))
		}
		syscall.Kill(pid, syscall.SIGKILL)
	}
	if _, err := os.Stat(dir + "/told"); err != nil {
		return fmt.Errorf("the stopped process has not got SIGTERM: %w", err)
	}
	pids, err = orphans(r, dir, map[string]string{"stubborn": `trap '' TERM; while :; do sleep 1; done`})
	if err != nil {
		return err
	}
	began = time.Now()
	if ended, left := r.EndMarked(dead, timeout); left != 0 || ended < 1 || time.Since(began) < timeout || alive(pids["stubborn"]) {
		return fmt.Errorf("%d stubborn ones ended, %d left after %v", ended, left, time.Since(began))
	}
	return nil
}

// orphans starts scripts in sessions of their own, each a child of nobody, and waits
// until they have written their pids to files in dir, as more of that name do.
func orphans(r *process.Reaper, dir string, scripts map[string]string, more ...string) (map[string]int, error) {
	for name, script := range scripts {
		argv := []string{"sh", "-c", "(setsid sh -c 'echo $$ >" + dir + "/" + name + "; " + strings.ReplaceAll(script, "'", `'\''`) + "' &)"}
		_, exited, err := r.Start(func() (int, error) {
			return syscall.ForkExec(shellPath, argv, &syscall.ProcAttr{
				Env: append(os.Environ(), "D="+dir), Files: []uintptr{0, 1, 2}})
		})
		if err != nil {
			return nil, err
		}
		<-exited
	}
	pids := map[string]int{}
	for _, name := range append(slices.Collect(maps.Keys(scripts)), more...) {
		for giveUp := time.Now().Add(20 * time.Second); pids[name] == 0; time.Sleep(2 * time.Millisecond) {
			text, _ := os.ReadFile(dir + "/" + name)
			pids[name], _ = strconv.Atoi(strings.TrimSpace(string(text)))
			if name == "stopped" && stateOf(pids[name]) != "T" {
				pids[name] = 0
			}
			if time.Now().After(giveUp) {
				return nil, fmt.Errorf("%s has not come up", name)
			}
		}
	}
	return pids, nil
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
	r.KillDescendants(process.Remains{})
}

// A program of Run lives on when all that is left behind is ended.
func TestEndDescendantsSparesRuns(t *testing.T) {
	startHelper(t, "descendants", nil)
}

func helpDescendants() error {
	dir, err := os.MkdirTemp("", "descendants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := process.NewReaper()
	defer r.Close()
	if err := r.Subreaper(); err != nil {
		return err
	}
	pids, err := orphans(r, dir, map[string]string{"ends": `exec sleep 60`, "stays": `trap '' TERM; echo $$ >$D/armed; while :; do sleep 0.1; done`}, "armed")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ran := make(chan process.Result, 1)
	go func() {
		result, _ := r.Run(ctx, shell("(sleep 60 & echo $! >"+dir+"/helper); sleep 60 & echo $! >"+dir+"/run; wait; exit 3", nil))
		ran <- result
	}()
	step := 0
	for giveUp := time.Now().Add(20 * time.Second); step == 0; time.Sleep(time.Millisecond) {
		text, _ := os.ReadFile(dir + "/run")
		if step, _ = strconv.Atoi(strings.TrimSpace(string(text))); time.Now().After(giveUp) {
			return errors.New("the run has not come up")
		}
	}
	if late := r.EndDescendants(ctx, 300*time.Millisecond); late < 1 || late > 2 { // with its sleep
		return fmt.Errorf("%d were late", late)
	}
	for name, pid := range pids {
		if alive(pid) {
			return fmt.Errorf("%s lives", name)
		}
	}
	helper, _ := os.ReadFile(dir + "/helper")
	if orphan, _ := strconv.Atoi(strings.TrimSpace(string(helper))); !alive(step) || !alive(orphan) {
		return errors.New("the run was ended too")
	}
	cancel()
	if result := <-ran; result.Stopped != process.Interrupted {
		return fmt.Errorf("%+v", result)
	}
	return nil
}
