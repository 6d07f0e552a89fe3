package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"golang.org/x/sys/unix"
)

// startIsolated starts a container in PID and mount namespaces of its own, or without the
// PID namespace if the pod shares it. This program, run again as a first stage, sets up the
// mounts and executes the command, as PID 1 of its namespace.
func (r *Runtime) startIsolated(c kubelet.Container, number int) (*process, error) {
	dir, err := r.instanceDir(c, number)
	if err != nil {
		return nil, err
	}
	p := &process{runtime: r, spec: c, dead: make(chan struct{})}
	p.env = append(os.Environ(), c.Env...)
	if r.opts.ShareProcessNamespace {
		p.mark(number)
	}
	stage, err := r.prepareStage(p, dir)
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(stage)
	if err != nil {
		return nil, err
	}
	failures, report, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer failures.Close()
	p.cmd = &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        []string{stageName, string(spec)},
		ExtraFiles:  []*os.File{report},
		SysProcAttr: r.namespaces(),
	}
	err = p.start()
	report.Close()
	if err != nil {
		return nil, err
	}
	// The exec closes the pipe. If it failed, the pipe has the reason.
	message, err := io.ReadAll(failures)
	if err == nil && len(message) > 0 {
		err = errors.New(string(message))
	}
	if err != nil {
		_ = p.Kill()
		<-p.dead
		return nil, err
	}
	return p, nil
}

// prepareStage makes the directories and files that the first stage mounts.
func (r *Runtime) prepareStage(p *process, dir string) (stage, error) {
	s := stage{
		Command: p.spec.Command, WorkingDir: p.spec.WorkingDir,
		Dev: filepath.Join(dir, "dev"), Shm: r.shm, Tmpfs: r.opts.Tmpfs,
		DropCapabilities: r.user, SharedPIDs: r.opts.ShareProcessNamespace,
	}
	p.lastLog = p.spec.TerminationMessagePath
	if name, ok := strings.CutPrefix(p.lastLog, "/dev/"); ok && !strings.Contains(name, "/") {
		p.lastLog = filepath.Join(dir, "termination-log")
		s.TerminationLog, s.TerminationLogName = p.lastLog, name
	}
	return s, os.MkdirAll(s.Dev, 0o755)
}

// namespaces returns the attributes that make the namespaces of a container. Without root
// they are in a user namespace that maps only this user. The first stage drops the
// CAP_SYS_ADMIN that it needs there to mount.
func (r *Runtime) namespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if !r.opts.ShareProcessNamespace {
		attr.Cloneflags |= unix.CLONE_NEWPID
	}
	if r.user {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	}
	return attr
}

// enterCommand runs argv in the namespaces of the container. nsenter passes on signals
// and the exit code.
func (p *process) enterCommand(argv []string) *exec.Cmd {
	args := []string{"--target", strconv.Itoa(p.cmd.Process.Pid), "--mount"}
	if !p.runtime.opts.ShareProcessNamespace {
		args = append(args, "--pid")
	}
	if p.runtime.user {
		args = append(args, "--user", "--preserve-credentials")
	}
	dir := p.spec.WorkingDir
	if dir == "" {
		dir, _ = os.Getwd() // an error leaves it at the root
	}
	if dir != "" {
		args = append(args, "--wdns="+dir)
	}
	return exec.Command("nsenter", append(append(args, "--"), argv...)...)
}

// stageName is argv[0] of this program as the first stage of a container.
const stageName = "rehearse-container"

// stage is the work of the first stage of a container.
type stage struct {
	Command    []string
	WorkingDir string
	// Dev is an empty directory that becomes /dev.
	Dev string
	// Shm is the directory that becomes /dev/shm.
	Shm string
	// TerminationLog is the file that becomes /dev/TerminationLogName.
	TerminationLog     string
	TerminationLogName string
	Tmpfs              []string
	DropCapabilities   bool
	SharedPIDs         bool
}

// IsStage reports whether this process is the first stage of a container, and must call
// RunStage before anything else.
func IsStage(args []string) bool { return len(args) == 2 && args[0] == stageName }

// RunStage sets up the mounts of the container and executes its command. It returns an
// exit code if that failed, after it has reported why, or if there is no command.
func RunStage(args []string) int {
	unix.CloseOnExec(stageReport)
	report := os.NewFile(stageReport, "report")
	var s stage
	err := json.Unmarshal([]byte(args[1]), &s)
	if err == nil {
		err = s.run()
	}
	if err != nil {
		fmt.Fprint(report, err)
		return 127
	}
	return 0
}

// stageReport is the descriptor on which the first stage reports a failure.
const stageReport = 3
