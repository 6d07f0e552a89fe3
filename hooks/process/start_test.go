package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/internal/testutil"
)

// write makes an executable, or other, file and its directories.
func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestSearchPath(t *testing.T) {
	r := newReaper(t)
	dir := t.TempDir()
	say := func(what string) string { return "#!/bin/sh\necho " + what + " $0\n" }
	write(t, dir+"/one/tool", say("one"), 0o755)
	write(t, dir+"/two/tool", say("two"), 0o755)
	write(t, dir+"/denied/tool", say("denied"), 0o644)
	write(t, dir+"/directory/tool/x", "", 0o644)
	write(t, dir+"/cwd/tool", say("cwd"), 0o755)
	write(t, dir+"/cwd/sub/tool", say("sub"), 0o755)
	for _, c := range []struct{ path, want string }{
		{"PATH=$/one:$/two", "one"},
		{"PATH=$/two:$/one", "two"},
		{"PATH=$/nowhere:$/two", "two"},
		{"PATH=$/denied:$/two", "two"},
		{"PATH=$/directory:$/two", "two"},
		{"PATH=$/one/tool:$/two", "two"}, // an entry that is a file
		{"PATH=", "cwd"},
		{"PATH=:$/one", "cwd"},
		{"PATH=$/nowhere::$/one", "cwd"},
		{"PATH=sub:$/one", "sub"},
		{"PATH=./sub", "sub"},
		{"PATH=../two", "two"},
		{"PATH=.", "cwd"},
	} {
		var l lines
		got := mustRun(t, r, context.Background(), process.Spec{
			Argv: []string{"tool"}, Dir: dir + "/cwd", OnLine: l.add,
			// The first one counts, as for getenv(3).
			Env: []string{"X=1", strings.ReplaceAll(c.path, "$", dir), "PATH=/nowhere"},
		})
		if !strings.HasPrefix(l.text(), "stdout: "+c.want+" ") || got.ExitCode != 0 {
			t.Errorf("%s: ran %q, want %s", c.path, l.text(), c.want)
		}
	}
	if got := mustRun(t, r, context.Background(), process.Spec{Argv: []string{"true"}}); got.ExitCode != 0 {
		t.Errorf("without PATH: %+v, want the default one", got)
	}
	var l lines
	mustRun(t, r, context.Background(), process.Spec{
		Argv: []string{"./sub/tool"}, Dir: dir + "/cwd", OnLine: l.add})
	if !strings.HasPrefix(l.text(), "stdout: sub ") {
		t.Errorf("relative name: ran %q", l.text())
	}
}

// Whatever cannot be started is said so that a person knows what to mend.
func TestStartErrors(t *testing.T) {
	r := newReaper(t)
	dir := t.TempDir()
	write(t, dir+"/plain", "#!/bin/sh\n", 0o644)
	write(t, dir+"/nointerp", "#! /no/such/shell -e\n", 0o755)
	write(t, dir+"/windows", "#!/bin/sh\r\nexit 0\r\n", 0o755)
	write(t, dir+"/deninterp", "#!"+dir+"/plain\n", 0o755)
	write(t, dir+"/noline", "echo hello\n", 0o755)
	write(t, dir+"/empty", "", 0o755)
	write(t, dir+"/foreign", "\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 200), 0o755)
	write(t, dir+"/noloader", elfWithLoader(t, "/no/such/ld.so"), 0o755)
	for link, target := range map[string]string{"dangling": "/no/such/target", "loop": "loop"} {
		if err := os.Symlink(target, dir+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("x", 128<<10)
	many := make([]string, 100)
	for i := range many {
		many[i] = long[1:]
	}
	for _, c := range []struct {
		name string
		spec process.Spec
		op   string
		code int
		err  error
		text string
	}{
		{"nothing", process.Spec{}, "find", 126, syscall.EINVAL, "no program is given"},
		{"not in PATH", process.Spec{Argv: []string{"no-such-tool"}, Env: []string{"PATH=/a:/b"}},
			"find", 127, syscall.ENOENT, `not found in PATH "/a:/b"`},
		{"empty name", process.Spec{Argv: []string{""}}, "find", 127, syscall.ENOENT, "not found"},
		{"in PATH, not executable", process.Spec{Argv: []string{"plain"}, Env: []string{"PATH=" + dir}},
			"exec", 126, syscall.EACCES, dir + "/plain: not executable for user "},
		{"missing", process.Spec{Argv: []string{dir + "/gone"}}, "exec", 127, syscall.ENOENT, "gone\": does not exist"},
		{"dangling link", process.Spec{Argv: []string{dir + "/dangling"}}, "exec", 127, syscall.ENOENT,
			"a link to /no/such/target, which does not exist"},
		{"loop of links", process.Spec{Argv: []string{dir + "/loop"}}, "exec", 126, syscall.ELOOP, "a link that leads in circles"},
		{"below a file", process.Spec{Argv: []string{dir + "/plain/x"}}, "exec", 126, syscall.ENOTDIR, "does not exist"},
		{"not executable for user ", process.Spec{Argv: []string{dir + "/plain"}}, "exec", 126, syscall.EACCES, "not executable for user "},
		{"directory", process.Spec{Argv: []string{dir}}, "exec", 126, syscall.EACCES, "a directory; a program is needed"},
		{"missing interpreter", process.Spec{Argv: []string{dir + "/nointerp"}}, "exec", 127, syscall.ENOENT,
			`its interpreter "/no/such/shell": does not exist`},
		{"Windows line ends", process.Spec{Argv: []string{dir + "/windows"}}, "exec", 127, syscall.ENOENT,
			"its #! line ends in CR LF"},
		{"interpreter denied", process.Spec{Argv: []string{dir + "/deninterp"}}, "exec", 126, syscall.EACCES,
			`its interpreter "` + dir + `/plain": not executable`},
		{"missing loader", process.Spec{Argv: []string{dir + "/noloader"}}, "exec", 127, syscall.ENOENT,
			`its interpreter "/no/such/ld.so": does not exist`},
		{"no #! line", process.Spec{Argv: []string{dir + "/noline"}}, "exec", 126, syscall.ENOEXEC, "begin it with #!"},
		{"empty file", process.Spec{Argv: []string{dir + "/empty"}}, "exec", 126, syscall.ENOEXEC, "an empty file"},
		{"other machine", process.Spec{Argv: []string{dir + "/foreign"}}, "exec", 126, syscall.ENOEXEC, "not for this machine"},
		{"no directory", process.Spec{Argv: []string{"/bin/true"}, Dir: dir + "/gone"}, "chdir", 126, syscall.ENOENT,
			"working directory " + dir + "/gone: does not exist"},
		{"file as directory", process.Spec{Argv: []string{"/bin/true"}, Dir: dir + "/plain"}, "chdir", 126, syscall.ENOTDIR,
			"a directory is needed"},
		{"long argument", process.Spec{Argv: []string{"/bin/true", long}}, "exec", 126, syscall.E2BIG,
			"argument 1 has 131072 bytes"},
		{"long variable", process.Spec{Argv: []string{"/bin/true"}, Env: []string{"A=1", long}}, "exec", 126, syscall.E2BIG,
			"environment entry 1 has 131072 bytes"},
		{"too much in all", process.Spec{Argv: []string{"/bin/true"}, Env: many}, "exec", 126, syscall.E2BIG,
			fmt.Sprintf("have %d bytes", 10+100*(128<<10))},
		{"NUL in an argument", process.Spec{Argv: []string{"/bin/true", "a\x00b"}}, "exec", 126, syscall.EINVAL,
			"argument 1 contains a NUL byte"},
		{"NUL in a variable", process.Spec{Argv: []string{"/bin/true"}, Env: []string{"A=a\x00b"}}, "exec", 126, syscall.EINVAL,
			`variable "A" contains a NUL byte`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := openFiles(t)
			_, err := r.Run(context.Background(), c.spec)
			var start *process.StartError
			if !errors.As(err, &start) {
				t.Fatalf("error %v, want a *StartError", err)
			}
			if start.Op != c.op || start.ExitCode() != c.code || !errors.Is(err, c.err) {
				t.Errorf("op %s, exit code %d, cause %v; want %s, %d, %v",
					start.Op, start.ExitCode(), start.Err, c.op, c.code, c.err)
			}
			if !strings.Contains(err.Error(), c.text) {
				t.Errorf("%.300q does not say %q", err, c.text)
			}
			if strings.Contains(err.Error(), long[:1000]) {
				t.Error("the error repeats an argument or a variable")
			}
			if now := openFiles(t); now > files+1 { // /dev/null stays
				t.Errorf("%d open files, before it were %d", now, files)
			}
		})
	}
	if n := len(children()); n != 0 {
		t.Errorf("%d children are left", n)
	}
}

// elfWithLoader is /bin/true with another dynamic loader.
func elfWithLoader(t testing.TB, loader string) string {
	t.Helper()
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(program), "/lib64/ld-linux")
	if at < 0 {
		at = strings.Index(string(program), "/lib/ld-linux")
	}
	if at < 0 {
		t.Skip("/bin/true is not linked dynamically against the GNU C library")
	}
	end := at + strings.IndexByte(string(program[at:]), 0)
	padding := strings.Repeat("\x00", end-at-len(loader))
	return string(program[:at]) + loader + padding + string(program[end:])
}

// A script that another process has only just written is still open there.
func TestBusyProgramIsTriedAgain(t *testing.T) {
	r := newReaper(t)
	path := t.TempDir() + "/program"
	text, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text), 0o755)
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = r.Run(context.Background(), process.Spec{Argv: []string{path}})
	if !errors.Is(err, syscall.ETXTBSY) || !strings.Contains(err.Error(), "open for writing") {
		t.Errorf("error %v, want ETXTBSY", err)
	}
	if took := time.Since(began); took < 100*time.Millisecond || took > 5*time.Second {
		t.Errorf("it gave up after %v, want 100 ms", took)
	}
	time.AfterFunc(30*time.Millisecond, func() { writer.Close() })
	if got := mustRun(t, r, context.Background(), process.Spec{Argv: []string{path}}); got.ExitCode != 0 {
		t.Errorf("%+v", got)
	}
}

// Without a free descriptor a start fails clearly, and the next one works.
func TestFileLimit(t *testing.T) {
	if out := startHelper(t, "files", nil, "sh", "-c", `ulimit -n 40; exec "$0"`); out != "" {
		t.Error(out)
	}
}

func helpFiles() error {
	r := process.NewReaper()
	defer r.Close()
	spec := process.Spec{Argv: []string{"/bin/true"}}
	if _, err := r.Run(context.Background(), spec); err != nil {
		return err
	}
	before, _ := os.ReadDir("/proc/self/fd")
	var fill []*os.File
	for {
		file, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		fill = append(fill, file)
	}
	// At each number of free descriptors something else is what fails.
	for len(fill) > 0 {
		_, err := r.Run(context.Background(), spec)
		if err == nil {
			break
		}
		var start *process.StartError
		if !errors.As(err, &start) || !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "RLIMIT_NOFILE") {
			return fmt.Errorf("error %v with %d descriptors free", err, 40-len(fill))
		}
		fill[len(fill)-1].Close()
		fill = fill[:len(fill)-1]
	}
	if len(fill) < 10 {
		return fmt.Errorf("a run takes more than 20 descriptors")
	}
	for _, file := range fill {
		file.Close()
	}
	if after, _ := os.ReadDir("/proc/self/fd"); len(after) != len(before) {
		return fmt.Errorf("%d open files, before it were %d", len(after), len(before))
	}
	return nil
}

// Under a limit of processes a start fails clearly, and leaks nothing.
func TestProcessLimit(t *testing.T) {
	testutil.NeedRoot(t, "become a user who has no other process")
	if out := startHelper(t, "nproc", nil); out != "" {
		t.Error(out)
	}
}

func helpNproc() error {
	r := process.NewReaper()
	defer r.Close()
	warmUp()
	spec := process.Spec{Argv: []string{"/bin/true"}}
	if _, err := r.Run(context.Background(), spec); err != nil {
		return err
	}
	if err := syscall.Setuid(54321); err != nil {
		return err
	}
	const nproc = 6 // RLIMIT_NPROC
	if err := syscall.Setrlimit(nproc, &syscall.Rlimit{Cur: 1, Max: 1}); err != nil {
		return err
	}
	before, _ := os.ReadDir("/proc/self/fd")
	for range 20 {
		_, err := r.Run(context.Background(), spec)
		var start *process.StartError
		if !errors.As(err, &start) || start.Op != "fork" || !errors.Is(err, syscall.EAGAIN) ||
			!strings.Contains(err.Error(), "RLIMIT_NPROC") {
			return fmt.Errorf("error %v, want a fork's", err)
		}
	}
	if after, _ := os.ReadDir("/proc/self/fd"); len(after) != len(before) {
		return fmt.Errorf("%d open files, before it were %d", len(after), len(before))
	}
	return nil
}

// warmUp makes the runtime's threads now: it dies where it cannot make one.
func warmUp() {
	var all sync.WaitGroup
	for range 8 + runtime.GOMAXPROCS(0) {
		all.Go(func() {
			pause := syscall.Timespec{Nsec: 20_000_000}
			syscall.Nanosleep(&pause, nil)
		})
	}
	all.Wait()
}
