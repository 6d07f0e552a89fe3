package supervisor_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// acts are what this binary does beside testing, by its first argument.
var acts = map[string]func(args []string){
	"launch":  launch,
	"receive": receive,
}

// conditions are what a program is to be started with. The launcher, which is
// this binary, brings them about and executes the program in its own place.
type conditions struct {
	// Container is a PID namespace of its own, whose PID 1 the program is.
	Container bool
	NoProc    bool
	ReadOnly  bool
	Block     []int
	Ignore    []int
	Close     []int
	NoFile    uint64 // hard too where Hard is set
	Hard      bool
	NProc     uint64
	User      int
	Umask     int
	Nice      int
	OOM       string
	Dir       string
	// Cgroup is the cgroup.procs of the group to go into.
	Cgroup string
	// Env replaces the environment, as it stands.
	Env []string `json:"-"`
	// Environ is Env for JSON, which bears no bytes but UTF-8.
	Environ [][]byte
	// patience is how long a run may take, 20 s if unset.
	patience time.Duration
}

// command makes the command that runs argv under the conditions.
func (c conditions) command(argv ...string) *exec.Cmd {
	for _, e := range c.Env {
		c.Environ = append(c.Environ, []byte(e))
	}
	spec, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self, append([]string{"launch", string(spec)}, argv...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if c.Container {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	}
	return cmd
}

// launch is the other side of command.
func launch(args []string) {
	runtime.LockOSThread()
	var c conditions
	if err := json.Unmarshal([]byte(args[0]), &c); err != nil {
		lament(err)
	}
	if c.Cgroup != "" {
		must("cgroup", os.WriteFile(c.Cgroup, []byte("0"), 0))
	}
	c.mounts()
	c.attributes()
	env := os.Environ()
	if c.Environ != nil {
		env = nil
		for _, e := range c.Environ {
			env = append(env, string(e))
		}
	}
	if c.User != 0 {
		must("setgroups", syscall.Setgroups(nil))
		must("setgid", syscall.Setgid(c.User))
		must("setuid", syscall.Setuid(c.User))
	}
	for _, fd := range c.Close {
		must("close", syscall.Close(fd))
	}
	for _, sig := range c.Ignore {
		action := [8]uint64{1}
		_, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
		if errno != 0 {
			lament(errno)
		}
	}
	setThreadMask(setOf(c.Block))
	lament(execRaw(args[1], args[1:], env))
}

func (c conditions) mounts() {
	if !c.Container {
		return
	}
	must("mount", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	if c.NoProc {
		must("umount", unix.Mount("none", "/proc", "tmpfs", 0, ""))
	} else {
		must("mount proc", unix.Mount("proc", "/proc", "proc", 0, ""))
	}
	if c.ReadOnly {
		for _, m := range []string{"/dev/shm", "/run", "/tmp", "/"} {
			_ = unix.Mount(m, m, "", unix.MS_BIND|unix.MS_REC, "")
			must("remount", unix.MountSetattr(unix.AT_FDCWD, m, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}))
		}
	}
}

func (c conditions) attributes() {
	if c.Dir != "" {
		must("chdir", os.Chdir(c.Dir))
	}
	if c.Umask != 0 {
		syscall.Umask(c.Umask)
	}
	if c.Nice != 0 {
		must("setpriority", syscall.Setpriority(syscall.PRIO_PROCESS, 0, c.Nice))
	}
	if c.OOM != "" {
		must("oom_score_adj", os.WriteFile("/proc/self/oom_score_adj", []byte(c.OOM), 0))
	}
	limit(unix.RLIMIT_NPROC, c.NProc, true)
	if c.NoFile != 0 {
		limit(unix.RLIMIT_NOFILE, c.NoFile, c.Hard)
	}
}

func limit(resource int, value uint64, hard bool) {
	if value == 0 {
		return
	}
	var l syscall.Rlimit
	must("getrlimit", syscall.Getrlimit(resource, &l))
	l.Cur = value
	if hard {
		l.Max = value
	}
	must("setrlimit", syscall.Setrlimit(resource, &l))
}

func must(what string, err error) {
	if err != nil {
		lament(fmt.Errorf("%s: %w", what, err))
	}
}

func lament(err error) {
	fmt.Fprintln(os.Stderr, "launcher:", err)
	os.Exit(99)
}

// execRaw is execve(2) with the environment as it stands; syscall.Exec would
// put RLIMIT_NOFILE back to what this process was started with.
func execRaw(path string, argv, env []string) error {
	argvp, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return err
	}
	envp, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	if full, err := exec.LookPath(path); err == nil {
		path = full
	}
	pathp, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(pathp)),
		uintptr(unsafe.Pointer(&argvp[0])), uintptr(unsafe.Pointer(&envp[0])))
	return errno
}

func setOf(signals []int) uint64 {
	var set uint64
	for _, sig := range signals {
		set |= 1 << (sig - 1)
	}
	return set
}

func setThreadMask(set uint64) {
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&set)), 0, 8, 0, 0)
}

// result is how a program ended and what it printed.
type result struct {
	code           int
	stdout, stderr string
}

// run runs argv to its end.
func (c conditions) run(argv ...string) (result, error) {
	cmd := c.command(argv...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	err := waitUpTo(cmp.Or(c.patience, 20*time.Second), cmd)
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}, err
}

// waitFor waits for the end of cmd, and kills it after 20 s.
func waitFor(cmd *exec.Cmd) error { return waitUpTo(20*time.Second, cmd) }

func waitUpTo(limit time.Duration, cmd *exec.Cmd) error {
	timer := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !timer.Stop() {
		return fmt.Errorf("it did not end in %v", limit)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// needRoot skips where no PID namespace can be made.
func needRoot(t *testing.T) {
	t.Helper()
	testutil.NeedRoot(t, "make a PID namespace")
}

// status is a line of /proc/PID/status.
func status(pid int, key string) string {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func statusSet(pid int, key string) uint64 {
	set, _ := strconv.ParseUint(status(pid, key), 16, 64)
	return set
}
