package testutil

import (
	"os"
	"path/filepath"
	"testing"
)

// Slow skips a test that takes seconds, or that tries at length what a quick test
// shows too, in `make check`.
func Slow(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow: run make test")
	}
}

// NeedRoot skips a test that cannot do something, such as "mount", without root. In
// `make check` it skips the test as root too.
func NeedRoot(t testing.TB, something string) {
	t.Helper()
	if testing.Short() || os.Geteuid() != 0 {
		t.Skip("only root can " + something + ": run make test as root")
	}
}

// NeedProgram returns the path of a program of a Debian package, or skips the test.
func NeedProgram(t testing.TB, name, from string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Skip(name + " is missing: apt-get install " + from)
	return ""
}
