package docker

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// process is one container of the engine.
type process struct {
	runtime *Runtime
	spec    kubelet.Container
	id      string
	lastLog string // the file of the termination message; may be empty
	printed chan struct{}

	dead chan struct{}
	exit kubelet.Exit // valid once dead is closed
}

func (p *process) start() error {
	if _, err := run("start", p.id); err != nil {
		return err
	}
	logs := exec.Command("docker", "logs", "--follow", p.id)
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	logs.Stdout, logs.Stderr = writer, writer
	err = logs.Start()
	writer.Close()
	if err != nil {
		reader.Close()
		return err
	}
	go p.readOutput(reader, logs)
	go p.reap()
	return nil
}

func (p *process) readOutput(reader *os.File, logs *exec.Cmd) {
	defer close(p.printed)
	defer reader.Close()
	lines := bufio.NewReaderSize(reader, 64<<10)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			_ = logs.Wait() // all there was has been read
			return
		}
		if p.runtime.opts.Output != nil {
			p.runtime.opts.Output(p.spec.Name, string(line))
		}
	}
}

// reap waits for the end of the container, and inspects it: `docker wait` prints only the
// exit code.
func (p *process) reap() {
	defer close(p.dead)
	_ = exec.Command("docker", "wait", p.id).Run() // inspect tells
	select {
	case <-p.printed:
	case <-time.After(2 * time.Second): // the engine is slow to close the log
	}
	state, err := run("inspect", "-f", "{{.State.ExitCode}} {{.State.OOMKilled}}", p.id)
	if err == nil {
		_, err = fmt.Sscan(state, &p.exit.Code, &p.exit.OOMKilled)
	}
	if err != nil {
		p.exit = kubelet.Exit{Code: 255, TerminationMessage: "the engine does not tell: " + err.Error()}
		return
	}
	if p.lastLog != "" {
		message, _ := os.ReadFile(p.lastLog) // the container may have removed it
		p.exit.TerminationMessage = string(message)
	}
}

// Address is the pod's address.
func (p *process) Address() string { return p.runtime.address }

// Signal signals the container's first process.
func (p *process) Signal(sig syscall.Signal) error {
	_, err := run("kill", "--signal", strconv.Itoa(int(sig)), p.id)
	return err
}

// Kill kills the container.
func (p *process) Kill() error { return p.Signal(syscall.SIGKILL) }

// Wait waits until the container is dead.
func (p *process) Wait() kubelet.Exit {
	<-p.dead
	return p.exit
}

// lastWords is how long the output of an exec that was killed is read.
const lastWords = time.Second

// execMarker is the variable that marks the processes of an exec.
const execMarker = "REHEARSE_EXEC"

// Exec runs argv in the container. The call ends with ctx. The process of argv is then
// killed if the engine runs on this machine and allows it.
func (p *process) Exec(ctx context.Context, argv []string, output io.Writer) (int, error) {
	select {
	case <-p.dead:
		return 0, errors.New("container is not running")
	default:
	}
	marker := execMarker + "=" + rand.Text()
	cmd := exec.CommandContext(ctx, "docker", append([]string{"exec", "--env", marker, p.id}, argv...)...)
	cmd.Stdout, cmd.Stderr = output, output
	// The command ends with its process, after it has printed the last words.
	cmd.Cancel = func() error {
		killMarked(marker)
		return nil
	}
	cmd.WaitDelay = lastWords
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	}
	return 0, err
}
