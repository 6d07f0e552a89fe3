package supervisor_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// zombies counts the dead children of pid, and children all of them.
func zombies(pid int) (dead, all int) {
	procs, _ := os.ReadDir("/proc")
	for _, p := range procs {
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + p.Name() + "/stat")
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if fields[1] != strconv.Itoa(pid) {
			continue
		}
		all++
		if fields[0] == "Z" {
			dead++
		}
	}
	return dead, all
}

// reaps starts command, which tells on its standard output when it has made all
// its orphans, and waits until only one child is left and none is dead.
func reaps(c conditions, i initProgram, o options, script string) error {
	argv, _ := i.argv(o, []string{"bash", "-c", script + "; echo made; exec sleep 60"})
	cmd := c.command(argv...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer endAll(cmd)
	if _, err := out.Read(make([]byte, 5)); err != nil {
		return err
	}
	var dead, all int
	err = testutil.Until(10*time.Second, "no zombie", func() bool {
		dead, all = zombies(cmd.Process.Pid)
		return dead == 0 && all == 1
	})
	if err != nil {
		return fmt.Errorf("%w: %d dead of %d", err, dead, all)
	}
	return nil
}

// endAll kills an init and the children that it has.
func endAll(cmd *exec.Cmd) {
	procs, _ := os.ReadDir("/proc")
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err == nil && status(pid, "PPid") == strconv.Itoa(cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func TestReapsBurstOfOrphans(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		return reaps(conditions{Container: true}, i, options{}, `for n in {1..500}; do (true &); done`)
	})
}

func TestReapsStaggeredOrphans(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		return reaps(conditions{Container: true}, i, options{}, `for n in {1..500}; do (sleep 0.$((n % 10))$((n % 7)) &); done`)
	})
}

func TestSubreaperReapsOrphans(t *testing.T) {
	o := options{subreaper: true}
	rule(t, o, func(t *testing.T, i initProgram) error {
		return reaps(conditions{}, i, o, `for n in {1..100}; do (sleep 0.$((n % 3)) &); done`)
	})
}
