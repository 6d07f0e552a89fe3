package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podhook/podhook/hooks/procfs"
)

// commandLimit bounds every docker command that does not wait for a container.
const commandLimit = 2 * time.Minute

// run runs one docker command and returns its output, trimmed. The error has the message
// of the engine.
func run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if said := strings.TrimSpace(stderr.String()); said != "" {
			err = errors.New(said)
		}
		return "", fmt.Errorf("docker %s: %w", args[0], err)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// killMarked kills the oldest process that has the marker in its environment, which is
// the first one of the exec. Like containerd it does not kill the children.
func killMarked(marker string) {
	pids, _ := procfs.Proc.PIDs()
	pids = slices.DeleteFunc(pids, func(pid int) bool { return !slices.Contains(procfs.Proc.Environ(pid), marker) })
	if len(pids) > 0 {
		_ = syscall.Kill(slices.Min(pids), syscall.SIGKILL) // it may be gone by now
	}
}
