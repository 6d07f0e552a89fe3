package config

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/executable"
	"github.com/podhook/podhook/internal/testutil"
)

func uid() string { return strconv.Itoa(os.Geteuid()) }

const nobody = 65534

var anywhere = executable.Search{Path: os.Getenv("PATH")}

// asNobody runs a function without root's permissions. It changes the file system and
// effective ids of this thread (credentials(7)), which ends with its goroutine.
func asNobody(t *testing.T, dir string, run func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		run()
		return
	}
	reachable(t, dir)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		// RawSyscall, because the wrappers of syscall change every thread.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), nobody, ^uintptr(0)); errno != 0 {
			t.Error(errno)
			return
		}
		run()
	}()
	<-done
}

// reachable lets every user reach a directory of t.TempDir, whose parent is for its owner
// only.
func reachable(t *testing.T, dir string) {
	t.Helper()
	for d := dir; d != filepath.Clean(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err == nil && info.Mode().Perm()&0o055 != 0o055 {
			os.Chmod(d, info.Mode().Perm()|0o055)
		}
	}
}

func TestListScripts(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("20-sh"), "#!/bin/sh\nexit 0\n", 0o755)
	write(t, in("10-plain"), "#! /bin/sh  \t-e \t\nexit 0\n", 0o644)
	write(t, in("100"), "#!/bin/sh\n", 0o644)
	write(t, in("B"), "#!/bin/sh", 0o711)
	write(t, in("a"), "#!/usr/bin/env -S sh -e\n", 0o644)
	write(t, in("no-such"), "#!/usr/bin/env no-such-interpreter\n", 0o755)
	link(t, "/bin/sleep", in("elf"))
	link(t, "..data/linked", in("linked"))
	write(t, in("..2026/linked"), "#!/bin/sh\n", 0o644)
	link(t, "..2026", in("..data"))
	for _, name := range []string{".hidden", "a~", "#a#", "a.swp", "a.bak", "a.orig", "a.rej", "a.dpkg-old", "a.dpkg-dist", "a.rpmsave", "a.rpmnew"} {
		write(t, in(name), "not to be run", 0o644)
	}
	mkdir(t, in("dir"))
	link(t, "dir", in("dir-link"))
	link(t, ".", in("here"))

	scripts, warnings, err := listScripts(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []Script{
		{"10-plain", in("10-plain"), []string{"/bin/sh", "-e", in("10-plain")}, nil},
		{"100", in("100"), []string{"/bin/sh", in("100")}, nil},
		{"20-sh", in("20-sh"), []string{in("20-sh")}, nil},
		{"B", in("B"), []string{in("B")}, nil},
		{"a", in("a"), []string{"/usr/bin/env", "-S sh -e", in("a")}, nil},
		{"elf", in("elf"), []string{in("elf")}, nil},
		{"linked", in("linked"), []string{"/bin/sh", in("linked")}, nil},
		{"no-such", in("no-such"), []string{in("no-such")}, nil},
	}
	if !slices.EqualFunc(scripts, want, sameScript) {
		t.Errorf("got  %q\nwant %q", scripts, want)
	}
	wantWarnings := []string{
		in("dir") + ": a directory; passed over, only files are run",
		in("dir-link") + ": a directory; passed over, only files are run",
		in("here") + ": a directory; passed over, only files are run",
		in("no-such") + `: its interpreter "no-such-interpreter" is not in the PATH`,
	}
	if got := lines(warnings); !slices.Equal(got, wantWarnings) {
		t.Errorf("got  %q\nwant %q", got, wantWarnings)
	}
	for _, s := range scripts[:5] {
		if out, err := exec.Command(s.Argv[0], s.Argv[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", s.Name, err, out)
		}
	}
}

// listScripts returns what a step with this directory has.
func listScripts(dir string) ([]Script, []Problem, error) {
	l := Scripts{Dir: dir}.list(anywhere)
	if len(l.bad) > 0 {
		return nil, l.warnings, asErrors(l.bad)
	}
	return l.good, l.warnings, nil
}

func sameScript(a, b Script) bool {
	return a.Name == b.Name && a.Path == b.Path && slices.Equal(a.Argv, b.Argv)
}

func TestListScriptsRefuses(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	elsewhere := t.TempDir()
	plain := write(t, filepath.Join(elsewhere, "plain"), "#!/bin/sh\n", 0o644)
	text := write(t, filepath.Join(elsewhere, "text"), "words\n", 0o755)
	loop := filepath.Join(elsewhere, "loop")
	write(t, loop, "#!"+loop+"\n", 0o755)

	long := "#!/bin/sh " + strings.Repeat("x", 246)
	if len(long) != 256 {
		t.Fatal(len(long))
	}
	noBit := "not executable for user " + uid() + " (chmod +x)"
	tests := []struct{ name, text, want string }{
		{"binary", "\x7fELF....", noBit + ", and without a #! line that names an interpreter to run it"},
		{"bom", "\xef\xbb\xbf#!/bin/sh\n", "a byte order mark stands before its #!; save it as UTF-8 without BOM"},
		{"crlf", "#!/bin/sh\r\nexit 0\r\n", `its #! line ends in CR LF, so that the interpreter would be looked for with a "\r"; save it with LF line ends`},
		{"empty", "", "an empty file"},
		{"interpreter-dir", "#!/etc\n", `its interpreter "/etc": a directory`},
		{"interpreter-loop", "#!" + loop + "\n", strings.Repeat(`its interpreter "`+loop+`": `, 5) + "scripts that are each other's interpreters"},
		{"interpreter-missing", "#!/no/such/sh -e\n", `its interpreter "/no/such/sh": does not exist`},
		{"interpreter-plain", "#!" + plain + "\n", `its interpreter "` + plain + `": ` + noBit},
		{"interpreter-relative", "#!sh\n", `its interpreter "sh" has no absolute path`},
		{"interpreter-text", "#!" + text + "\n", `its interpreter "` + text + `": neither a program (ELF) nor a script`},
		{"long", long + "\n", "its #! line is longer than 255 bytes, of which the kernel takes only a part"},
		{"no-interpreter", "#! \t\n", "no interpreter in its #! line"},
		{"nul", "#!/bin/sh\x00\n", "a NUL byte in its #! line"},
		{"plain", "echo hello\n", noBit + ", and without a #! line that names an interpreter to run it"},
	}
	var want []string
	for _, tt := range tests {
		write(t, in(tt.name), tt.text, 0o644)
		want = append(want, in(tt.name)+": "+tt.want)
	}
	write(t, in("x-no-hashbang"), "echo hello\n", 0o755)
	want = append(want, in("x-no-hashbang")+": executable, but neither a program (ELF) nor a script: "+
		"the kernel refuses it (exec format error); begin it with #! and an interpreter, such as #!/bin/sh")
	write(t, in("x-crlf"), "#!/bin/sh\r\n", 0o755)
	want = append(want, in("x-crlf")+": "+tests[2].want)
	write(t, in("y\n"), "", 0o755)
	want = append(want, strconv.Quote(in("y\n"))+": an empty file")
	write(t, in("y-empty"), "", 0o755)
	want = append(want, in("y-empty")+": an empty file")
	link(t, "nowhere", in("z-dangling"))
	want = append(want, in("z-dangling")+": a link to nowhere, which does not exist")
	link(t, "/dev/null", in("z-device"))
	want = append(want, in("z-device")+": a device; only regular files and links to them can be run")
	mkfifo(t, in("z-fifo"))
	want = append(want, in("z-fifo")+": a FIFO; only regular files and links to them can be run")
	link(t, "z-loop", in("z-loop"))
	want = append(want, in("z-loop")+": a link that leads in circles")
	socket, err := net.Listen("unix", in("z-socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	want = append(want, in("z-socket")+": a socket; only regular files and links to them can be run")
	write(t, in("zz-good"), strings.Replace(long, "xx", "x", 1)+"\n", 0o644) // 255 bytes

	scripts, _, err := listScripts(dir)
	var errs *Errors
	if !errors.As(err, &errs) || scripts != nil {
		t.Fatalf("got %v, %v", scripts, err)
	}
	got := lines(errs.Problems)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestListScriptsRefusesDirectory(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "file"), "", 0o644)
	loop := link(t, "loop", filepath.Join(dir, "loop"))
	for path, want := range map[string]string{
		file:                          "a regular file; a directory of scripts is needed",
		loop:                          "a link that leads in circles; a directory of scripts is needed",
		filepath.Join(dir, "missing"): "does not exist; a directory of scripts is needed",
	} {
		if _, _, err := listScripts(path); err == nil || err.Error() != path+": "+want {
			t.Errorf("got  %v\nwant %s: %s", err, path, want)
		}
	}
}

func TestListScriptsUnreadable(t *testing.T) {
	dir := t.TempDir()
	secret := write(t, filepath.Join(dir, "secret"), "#!/bin/sh\n", 0o700)
	mine := write(t, filepath.Join(dir, "mine"), "#!/bin/sh\n", 0o644)
	os.Chmod(secret, 0o100)
	os.Chmod(mine, 0o100|0o644)
	asNobody(t, dir, func() {
		_, _, err := listScripts(dir)
		if err == nil || !strings.HasPrefix(err.Error(), secret+": not readable for user ") {
			t.Errorf("got %v", err)
		}
	})
	os.Remove(secret)
	if os.Geteuid() != 0 {
		return
	}
	// The owner may execute the file, another user may not.
	asNobody(t, dir, func() {
		scripts, _, err := listScripts(dir)
		if err != nil || len(scripts) != 1 || !slices.Equal(scripts[0].Argv, []string{"/bin/sh", mine}) {
			t.Errorf("got %v, %v", scripts, err)
		}
	})
	scripts, _, err := listScripts(dir)
	if err != nil || len(scripts) != 1 || !slices.Equal(scripts[0].Argv, []string{mine}) {
		t.Errorf("got %v, %v", scripts, err)
	}
}

// TestListScriptsNoExec: on a noexec mount the execute bit has no effect. An interpreter on
// another mount runs the script.
func TestListScriptsNoExec(t *testing.T) {
	testutil.NeedRoot(t, "mount")
	dir := t.TempDir()
	if err := unix.Mount("podhook-test", dir, "tmpfs", unix.MS_NOEXEC, "size=8m"); err != nil {
		t.Skipf("cannot mount a tmpfs with noexec: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	script := write(t, filepath.Join(dir, "script"), "#!/bin/sh\nexit 0\n", 0o755)
	if err := exec.Command(script).Run(); !errors.Is(err, os.ErrPermission) {
		t.Fatalf("the mount lets it run: %v", err)
	}
	scripts, _, err := listScripts(dir)
	if err != nil || len(scripts) != 1 || !slices.Equal(scripts[0].Argv, []string{"/bin/sh", script}) {
		t.Fatalf("got %q, %v", scripts, err)
	}
	if err := exec.Command("/bin/sh", script).Run(); err != nil {
		t.Error(err)
	}

	sh, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	binary := write(t, filepath.Join(dir, "binary"), string(sh), 0o755)
	other := write(t, filepath.Join(dir, "other"), "#!"+binary+"\n", 0o755)
	_, _, err = listScripts(dir)
	want := binary + ": on a mount with noexec (move it, or run it by its interpreter), and without a #! line that names an interpreter to run it\n" +
		other + `: its interpreter "` + binary + `": on a mount with noexec (move it, or run it by its interpreter)`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
