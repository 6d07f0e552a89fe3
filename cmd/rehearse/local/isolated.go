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

	"github.com/podhook/podhook/cmd/rehearse/kubelet"
	"golang.org/x/sys/unix"
)

// startIsolated starts a container in PID and mount namespaces of its own: this
// program, run again as a first stage, sets the mounts up and execs the command,
// which so is PID 1.
func (r *Runtime) startIsolated(c kubelet.Container, number int) (*process, error) {
	dir, err := r.instanceDir(c, number)
	if err != nil {
		return nil, err
	}
	p := &process{runtime: r, spec: c, dead: make(chan struct{})}
	p.env = append(os.Environ(), c.Env...)
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
	// The pipe is closed by the exec; anything in it is why there was none.
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
		Dev: filepath.Join(dir, "dev"), Shm: r.shm, Tmpfs: r.opts.Tmpfs, DropCapabilities: r.user,
	}
	p.lastLog = p.spec.TerminationMessagePath
	if name, ok := strings.CutPrefix(p.lastLog, "/dev/"); ok && !strings.Contains(name, "/") {
		p.lastLog = filepath.Join(dir, "termination-log")
		s.TerminationLog, s.TerminationLogName = p.lastLog, name
	}
	return s, os.MkdirAll(s.Dev, 0o755)
}

// namespaces are the attributes that make a container's namespaces. Without
// root they are made in a user namespace with the same user in it; mounting
// needs CAP_SYS_ADMIN there, which the first stage gives up again.
func (r *Runtime) namespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	if r.user {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
	}
	return attr
}

// enterCommand runs argv in the container's namespaces. nsenter hands signals
// and exit code through.
func (p *process) enterCommand(argv []string) *exec.Cmd {
	args := []string{"--target", strconv.Itoa(p.cmd.Process.Pid), "--mount", "--pid"}
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

// stageName is argv[0] of this program as first stage of a container.
const stageName = "rehearse-container"

// stage is what the first stage of a container has to do.
type stage struct {
	Command    []string
	WorkingDir string
	// Dev is an empty directory on which the container's /dev is put together.
	Dev string
	// Shm is the directory that becomes /dev/shm.
	Shm string
	// TerminationLog is the file that becomes /dev/TerminationLogName.
	TerminationLog     string
	TerminationLogName string
	Tmpfs              []string
	DropCapabilities   bool
}

// IsStage says whether this process is the first stage of a container. A main
// function asks before all else and calls RunStage.
func IsStage(args []string) bool { return len(args) == 2 && args[0] == stageName }

// RunStage sets the container's mounts up and execs its command. It returns
// an exit code only where that failed (the starter is told why), or where there
// is no command.
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
