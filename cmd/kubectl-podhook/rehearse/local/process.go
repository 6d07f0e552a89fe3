package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"github.com/podhook/podhook/hooks/procfs"
)

// markerName is the variable that marks the processes of a container without namespaces.
const markerName = "REHEARSE_INSTANCE"

// process is one instance of a container.
type process struct {
	runtime *Runtime
	spec    kubelet.Container
	cmd     *exec.Cmd
	env     []string
	marker  string // empty where a PID namespace keeps the processes together
	lastLog string // the file of the termination message; may be empty
	output  *os.File
	printed chan struct{} // closed when all output has been read

	dead chan struct{}
	exit kubelet.Exit // valid once dead is closed
}

// startPlain starts a container as a session without namespaces.
func (r *Runtime) startPlain(c kubelet.Container, number int) (*process, error) {
	p := &process{runtime: r, spec: c, dead: make(chan struct{})}
	p.env = append(os.Environ(), c.Env...)
	p.mark(number)
	if c.TerminationMessagePath != kubelet.DefaultTerminationMessagePath {
		p.lastLog = c.TerminationMessagePath
	}
	p.cmd = exec.Command(c.Command[0], c.Command[1:]...)
	p.cmd.Dir = c.WorkingDir
	return p, p.start()
}

// mark marks the processes of this start.
func (p *process) mark(number int) {
	p.marker = markerName + "=" + p.runtime.dir + "/" + p.spec.Name + "." + strconv.Itoa(number)
	p.env = append(p.env, p.marker)
}

// start starts cmd in a session of its own, with stdin from /dev/null.
func (p *process) start() error {
	if p.lastLog != "" {
		if err := os.WriteFile(p.lastLog, nil, 0o666); err != nil {
			return err
		}
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd.Env = p.env
	p.cmd.Stdout, p.cmd.Stderr = writer, writer
	if p.cmd.SysProcAttr == nil {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	p.cmd.SysProcAttr.Setsid = true
	err = p.cmd.Start()
	writer.Close()
	if err != nil {
		reader.Close()
		return err
	}
	p.output, p.printed = reader, make(chan struct{})
	go p.readOutput()
	go p.reap()
	return nil
}

func (p *process) readOutput() {
	defer close(p.printed)
	lines := bufio.NewReaderSize(p.output, 64<<10)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		if p.runtime.opts.Output != nil {
			p.runtime.opts.Output(p.spec.Name, string(line))
		}
	}
}

// reap waits for the first process and then ends what is left of the container.
func (p *process) reap() {
	_ = p.cmd.Wait() // the status is in ProcessState
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	exit := kubelet.Exit{Code: status.ExitStatus()}
	if status.Signaled() {
		exit.Signal = status.Signal()
		exit.Code = 128 + int(exit.Signal)
	}
	p.killStrays()
	select {
	case <-p.printed:
	case <-time.After(time.Second): // something that hides holds the pipe
	}
	p.output.Close()
	if p.lastLog != "" {
		message, _ := os.ReadFile(p.lastLog) // the container may have removed it
		exit.TerminationMessage = string(message)
	}
	p.exit = exit
	close(p.dead)
}

// killStrays kills what the first process has left behind without a PID namespace.
func (p *process) killStrays() {
	if p.marker == "" {
		return
	}
	for limit := time.Now().Add(2 * time.Second); time.Now().Before(limit); {
		strays := marked(p.marker)
		if len(strays) == 0 {
			return
		}
		for _, pid := range strays {
			killAndWait(pid, time.Until(limit))
		}
	}
}

// killAndWait kills a process and waits for its end. A process loses its environment
// before its sockets close, so marked does not find it long enough.
func killAndWait(pid int, limit time.Duration) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = unix.PidfdSendSignal(fd, syscall.SIGKILL, nil, 0)
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(limit.Milliseconds()))
}

// marked returns the processes that have the marker in their environment.
func marked(marker string) []int {
	all, _ := procfs.Proc.PIDs()
	return slices.DeleteFunc(all, func(pid int) bool { return !slices.Contains(procfs.Proc.Environ(pid), marker) })
}

// Address is the pod's address.
func (p *process) Address() string { return p.runtime.opts.PodIP }

// Signal signals the first process. A PID 1 gets only signals that it has a handler for
// (pid_namespaces(7)).
func (p *process) Signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill kills the first process; the rest follows it.
func (p *process) Kill() error { return p.cmd.Process.Kill() }

// Wait waits until the container is dead.
func (p *process) Wait() kubelet.Exit {
	<-p.dead
	return p.exit
}

// Exec runs argv in the container, until the program has ended and its output is closed.
// containerd also waits for the pipes (drain_exec_sync_io_timeout is 0s), so a background
// child that holds them delays the hook.
func (p *process) Exec(ctx context.Context, argv []string, output io.Writer) (int, error) {
	select {
	case <-p.dead:
		return 0, errors.New("container is not running")
	default:
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	cmd := p.execCommand(argv)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, writer, writer
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	writer.Close()
	if err != nil {
		return 0, err
	}
	stopKilling := context.AfterFunc(ctx, func() { killFirst(cmd.Process.Pid) })
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(output, reader)
	}()
	// Before Wait, after which the PID can belong to another process.
	select {
	case <-copied:
	case <-ctx.Done():
	}
	_ = cmd.Wait() // the status is in ProcessState
	stopKilling()
	select {
	case <-copied: // with the last words of a program that was killed
	case <-time.After(lastWords): // a child of it holds the pipe
	}
	reader.Close()
	<-copied
	return exitCode(cmd.ProcessState), ctx.Err()
}

// lastWords is how long the output of an exec that was killed is read.
const lastWords = 100 * time.Millisecond

// killFirst kills the first process of an exec. Like containerd it does not kill the
// children, which live on in the container. nsenter, which has become none of it, ends with
// its child.
func killFirst(pid int) {
	path := fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)
	if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(comm) == "nsenter\n" {
		if children, err := os.ReadFile(path); err == nil {
			if child, err := strconv.Atoi(strings.TrimSpace(string(children))); err == nil {
				pid = child
			}
		}
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// execCommand returns the command that runs argv in the container.
func (p *process) execCommand(argv []string) *exec.Cmd {
	if p.runtime.mounts {
		return p.enterCommand(argv)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = p.spec.WorkingDir
	return cmd
}
