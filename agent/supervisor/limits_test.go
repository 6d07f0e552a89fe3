package supervisor_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// works is that the init runs a command, forwards a signal and ends with its code.
func works(c conditions, i initProgram) error {
	argv, _ := i.argv(options{}, []string{"sh", "-c", "trap 'exit 42' TERM; echo ready; while :; do sleep 0.01; done"})
	cmd := c.command(argv...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		_ = waitFor(cmd)
		return fmt.Errorf("it did not start: %s", stderr.String())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := waitFor(cmd); err != nil {
		return err
	}
	if code := cmd.ProcessState.ExitCode(); code != 42 || stderr.Len() != 0 {
		return fmt.Errorf("exit code %d: %s", code, stderr.String())
	}
	return nil
}

func TestWorksInNarrowPlaces(t *testing.T) {
	needRoot(t)
	for _, place := range []struct {
		name string
		c    conditions
	}{
		{"not root", conditions{User: 65534}},
		{"read-only root", conditions{ReadOnly: true, User: 65534}},
		{"no proc", conditions{NoProc: true}},
		{"24 processes", conditions{NProc: 24, User: 54321}},
		{"32 descriptors", conditions{NoFile: 32, Hard: true}},
	} {
		t.Run(place.name, func(t *testing.T) {
			rule(t, options{}, func(t *testing.T, i initProgram) error {
				place.c.Container = true
				return works(place.c, i)
			})
		})
	}
}

// The limits of a container are a cgroup's, which count threads and page tables.
func TestWorksInSmallCgroups(t *testing.T) {
	needRoot(t)
	for _, limit := range []struct{ name, controller, file, value string }{
		{"24 pids", "pids", "pids.max", "24"},
		{"32 MB", "memory", "memory.limit_in_bytes", strconv.Itoa(32 << 20)},
	} {
		t.Run(limit.name, func(t *testing.T) {
			group := cgroup(t, limit.controller, limit.file, limit.value)
			rule(t, options{}, func(t *testing.T, i initProgram) error {
				return works(conditions{Container: true, Cgroup: group}, i)
			})
		})
	}
}

// bomb uses up all PIDs, says so, and goes on asking for more.
const bomb = `$SIG{TERM} = sub { exit 42 }; $SIG{WINCH} = sub {}; my $first = $$; my $full;
while (1) { next if defined fork or $$ != $first or $full++; syswrite STDOUT, "full\n" }`

// A CMD that uses up all PIDs gets its signals, and the init lives on.
func TestOutlivesUsedUpPIDs(t *testing.T) {
	needRoot(t)
	testutil.NeedProgram(t, "perl", "perl-base")
	group := cgroup(t, "pids", "pids.max", "24")
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		for range i.rounds(8) {
			argv, _ := i.argv(options{}, []string{"perl", "-e", bomb})
			cmd := conditions{Container: true, Cgroup: group}.command(argv...)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				return err
			}
			if err := cmd.Start(); err != nil {
				return err
			}
			if _, err := out.Read(make([]byte, 5)); err != nil {
				_ = waitFor(cmd)
				return fmt.Errorf("it did not start: %s", stderr.String())
			}
			// Without them this fails once in ten times, not more.
			threads, _, _ := resources(cmd.Process.Pid)
			if i.name == "podhook" && threads < 8 {
				err = fmt.Errorf("it has %d threads when CMD runs", threads)
			}
			for n := range 2000 {
				_ = cmd.Process.Signal([]syscall.Signal{syscall.SIGWINCH, syscall.SIGCHLD}[n%2])
			}
			_ = cmd.Process.Signal(syscall.SIGTERM)
			err = errors.Join(err, waitFor(cmd))
			if code := cmd.ProcessState.ExitCode(); err != nil || code != 42 {
				return fmt.Errorf("with %d threads: exit code %d, %v: %s", threads, code, err, stderr.String())
			}
		}
		return nil
	})
}

// cgroup makes a group of version 1 or 2 with the limit, or skips.
func cgroup(t *testing.T, controller, file, value string) string {
	t.Helper()
	root := filepath.Join("/sys/fs/cgroup", controller)
	if _, err := os.Stat(root); err != nil {
		root = "/sys/fs/cgroup"
		file = map[string]string{"memory.limit_in_bytes": "memory.max"}[file] + strings.TrimPrefix(file, "memory.limit_in_bytes")
	}
	dir, err := os.MkdirTemp(root, "podhook-test-")
	if err != nil {
		t.Skipf("no cgroup can be made: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Rmdir(dir) })
	if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0); err != nil {
		t.Skipf("no limit can be set: %v", err)
	}
	return filepath.Join(dir, "cgroup.procs")
}
