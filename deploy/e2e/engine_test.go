//go:build e2e

package e2e

import (
	"context"
	"errors"
	"os/exec"
	"testing"
)

// tryEngine runs a docker command and returns its exit code and all it printed.
func tryEngine(t *testing.T, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	output, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(output)
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, string(output)
}
