// Package testutil holds what the tests of several packages share. The product
// does not import it.
package testutil

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Patience bounds a wait for something that happens at once on an idle machine.
const Patience = 40 * time.Second

// Eventually polls until the condition holds, and fails the test after Patience.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if err := Until(Patience, what, holds); err != nil {
		t.Fatal(err)
	}
}

// Until polls until the condition holds, and returns an error after limit.
func Until(limit time.Duration, what string, holds func() bool) error {
	for end := time.Now().Add(limit); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("not within %v: %s", limit, what)
		}
	}
	return nil
}

// Within asserts an elapsed time. The upper bound tells right from wrong; it does
// not measure speed.
func Within(t testing.TB, took, least, most time.Duration) {
	t.Helper()
	if took < least || took > most {
		t.Errorf("took %v, want %v to %v", took.Round(time.Millisecond), least, most)
	}
}

// Build builds podhook into dir as `make build` does, and returns its path. Every
// user can start it.
func Build(dir string) (string, error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	for ; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "Makefile")); err == nil {
			break
		}
		if root == "/" {
			return "", fmt.Errorf("no Makefile above the working directory")
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "podhook")
	if out, err := exec.Command("make", "-C", root, "BIN="+dir, path).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make podhook: %w\n%s", err, out)
	}
	return path, nil
}
