package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// installing has a directory to install into, as "bin".
func installing(t *testing.T) *sandbox {
	t.Helper()
	s := newSandbox(t, "")
	s.binary = plain
	if err := os.Mkdir(s.path("bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// source is the binary that installs itself.
func (s *sandbox) source() []byte {
	s.t.Helper()
	data, err := os.ReadFile(s.binary)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// older puts another binary that works there, as an earlier version is.
func (s *sandbox) older() []byte {
	s.t.Helper()
	old := append(s.source(), "older"...)
	s.write("bin/podhook", string(old), 0o755)
	return old
}

// holds fails unless this binary is the only file of the directory.
func (s *sandbox) holds(want []byte) {
	s.t.Helper()
	if s.read("bin/podhook") != string(want) {
		s.t.Error("bin/podhook is another binary than is wanted")
	}
	if names := s.installed(); names != "podhook" {
		s.t.Errorf("the directory holds %s", names)
	}
}

func (s *sandbox) installed() string {
	s.t.Helper()
	entries, err := os.ReadDir(s.path("bin"))
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

// mount covers "bin" with a tmpfs.
func (s *sandbox) mount(flags uintptr, options string) {
	s.t.Helper()
	needsRoot(s.t)
	if err := unix.Mount("podhook-test", s.path("bin"), "tmpfs", flags, options); err != nil {
		s.t.Fatalf("mount a tmpfs: %v", err)
	}
	s.t.Cleanup(func() { _ = unix.Unmount(s.path("bin"), unix.MNT_DETACH) })
}

func TestInstall(t *testing.T) {
	s := installing(t)
	cmd := exec.Command("sh", "-c", `umask 077; exec "$0" install "$1"`, s.binary, s.path("bin"))
	e := s.begin(cmd).wait(t)
	if e.code != 0 {
		t.Fatal(e)
	}
	contains(t, e.stdout, s.path("bin/podhook")+" installed")
	s.holds(s.source())
	info, err := os.Stat(s.path("bin/podhook"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o755 {
		t.Errorf("its mode is %v, whatever the umask it is to be 0755", info.Mode())
	}
	out, err := exec.Command(s.path("bin/podhook"), "version").CombinedOutput()
	if err != nil {
		t.Fatalf("the copy does not run: %v: %s", err, out)
	}
	contains(t, string(out), "podhook ")
}

// The same binary is not written again.
func TestInstallTwice(t *testing.T) {
	s := installing(t)
	s.expect(0, "install", s.path("bin"))
	before, err := os.Stat(s.path("bin/podhook"))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, s.expect(0, "install", s.path("bin")).stdout, "is current")
	// The copy may install itself too: it is where it is to be.
	s.binary = s.path("bin/podhook")
	contains(t, s.expect(0, "install", s.path("bin")).stdout, "is current")
	after, err := os.Stat(s.path("bin/podhook"))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("the file was written again")
	}
}

func TestInstallCheck(t *testing.T) {
	s := installing(t)
	dir, path := s.path("bin"), s.path("bin/podhook")
	current := s.source()
	broken := bytes.Clone(current)
	broken[len(broken)/2]++
	for _, c := range []struct {
		name, says string
		make       func() error
	}{
		{"missing", "it is missing", func() error { return nil }},
		{"longer", "another binary", func() error { return os.WriteFile(path, append(current, 0), 0o755) }},
		{"shorter", "another binary", func() error { return os.WriteFile(path, current[:len(current)-1], 0o755) }},
		{"one byte", "another binary", func() error { return os.WriteFile(path, broken, 0o755) }},
		{"mode", "its mode is 0644", func() error { return os.WriteFile(path, current, 0o644) }},
		{"link", "no regular file", func() error { return os.Symlink(s.binary, path) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			_ = os.Remove(path)
			if err := c.make(); err != nil {
				t.Fatal(err)
			}
			before := s.installed()
			contains(t, s.expect(1, "install", "--check", dir).stdout, "is not current", c.says)
			contains(t, s.expect(1, "install", dir, "--check").stdout, c.says)
			if s.installed() != before {
				t.Errorf("--check has made %s of %s", s.installed(), before)
			}
			s.expect(0, "install", dir)
			s.holds(current)
			contains(t, s.expect(0, "install", "--check", dir).stdout, "is current")
		})
	}
}

// A running program cannot be written to; the new copy takes its name.
func TestInstallOverRunningCopy(t *testing.T) {
	s := installing(t)
	s.older()
	going := s.begin(exec.Command(s.path("bin/podhook"), "sleep", "300"))
	if _, err := os.OpenFile(s.path("bin/podhook"), os.O_WRONLY, 0); !errors.Is(err, unix.ETXTBSY) {
		t.Fatalf("the running copy can be opened for writing: %v", err)
	}
	s.expect(0, "install", s.path("bin"))
	s.holds(s.source())
	going.signal(t, syscall.SIGTERM)
	if e := going.wait(t); e.code != 143 {
		t.Errorf("the copy that ran all the while: %v", e)
	}
}

// A failure leaves only the old copy.
func TestInstallKeepsTheOldOne(t *testing.T) {
	t.Run("full", func(t *testing.T) {
		s := installing(t)
		s.mount(0, "size=64k")
		s.write("bin/podhook", "old", 0o755)
		contains(t, s.expect(1, "install", s.path("bin")).stderr, "no room", "sizeLimit")
		s.holds([]byte("old"))
	})
	t.Run("read-only", func(t *testing.T) {
		s := installing(t)
		s.mount(0, "size=64m")
		old := s.older()
		if err := unix.Mount("", s.path("bin"), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		contains(t, s.expect(1, "install", s.path("bin")).stderr, "cannot be written", "emptyDir")
		s.holds(old)
		contains(t, s.expect(1, "install", "--check", s.path("bin")).stdout, "another binary")
	})
	t.Run("noexec", func(t *testing.T) {
		s := installing(t)
		s.mount(unix.MS_NOEXEC, "size=64m")
		s.write("bin/podhook", "old", 0o755)
		contains(t, s.expect(1, "install", s.path("bin")).stderr, "noexec")
		s.holds([]byte("old"))
	})
	t.Run("not permitted", func(t *testing.T) {
		s := installing(t)
		needsRoot(t)
		old := s.older()
		for dir := s.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(s.binary, "install", s.path("bin"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		e := s.begin(cmd).wait(t)
		if e.code != 1 {
			t.Error(e)
		}
		contains(t, e.stderr, "cannot be written", "emptyDir")
		s.holds(old)
	})
}

func TestInstallBadUsage(t *testing.T) {
	s := installing(t)
	s.write("file", "", 0o644)
	if err := os.MkdirAll(s.path("taken/podhook"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says string
		code int
		args []string
	}{
		{"one directory is needed", 2, nil},
		{"one directory is needed", 2, []string{"a", "b"}},
		{"-force", 2, []string{"--force", s.path("bin")}},
		{"does not exist: mount a volume", 1, []string{s.path("none")}},
		{"does not exist: mount a volume", 1, []string{"--check", s.path("none")}},
		{"is a file", 1, []string{s.path("file")}},
		{"is a directory: remove it", 1, []string{s.path("taken")}},
	} {
		contains(t, s.expect(c.code, append([]string{"install"}, c.args...)...).stderr, "install: ", c.says)
	}
}

// Whoever starts the copy while it is installed gets a whole one, also when
// installs are killed half-way and several go on at once.
func TestInstallIsAtomic(t *testing.T) {
	testutil.Slow(t)
	s := installing(t)
	if os.Geteuid() == 0 {
		s.mount(0, "size=256m") // a disk that syncs takes seconds
	}
	fresh := s.source()
	for range 15 {
		old := s.older()
		var group sync.WaitGroup
		for i := range 3 {
			r := s.start("install", s.path("bin"))
			group.Go(func() {
				if i > 0 {
					time.Sleep(rand.N(25 * time.Millisecond))
					_ = r.cmd.Process.Kill()
				}
				<-r.done
			})
			if got := []byte(s.read("bin/podhook")); !bytes.Equal(got, old) && !bytes.Equal(got, fresh) {
				t.Fatalf("half a copy: %d bytes", len(got))
			}
		}
		group.Wait()
		if s.read("bin/podhook") != string(fresh) {
			t.Fatal("the install that was not killed has not installed")
		}
	}
}

// What killed installs leave behind is removed when it is old; a fresh one may
// be an install's that goes on.
func TestInstallRemovesLeftovers(t *testing.T) {
	s := installing(t)
	s.write("bin/.podhook.1.aa.tmp", "half", 0o600)
	s.write("bin/.podhook.2.bb.tmp", "half", 0o600)
	s.write("bin/.podhook.conf", "", 0o600)
	hourAgo := time.Now().Add(-time.Hour)
	for _, name := range []string{"bin/.podhook.1.aa.tmp", "bin/.podhook.conf"} {
		if err := os.Chtimes(s.path(name), hourAgo, hourAgo); err != nil {
			t.Fatal(err)
		}
	}
	s.expect(0, "install", s.path("bin"))
	if names := s.installed(); names != ".podhook.2.bb.tmp .podhook.conf podhook" {
		t.Errorf("the directory holds %s", names)
	}
}
