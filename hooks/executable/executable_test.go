package executable

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// write makes a file with its directories, whatever the umask.
func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}

// Find finds what the C library's execvp(3) starts, by which env(1) starts a program.
func TestFindIsExecvp(t *testing.T) {
	dir := t.TempDir()
	for _, place := range []string{"one", "two", "cwd", "cwd/sub"} {
		write(t, filepath.Join(dir, place, "tool"), "#!/bin/sh\necho "+place+"\n", 0o755)
	}
	write(t, filepath.Join(dir, "denied", "tool"), "#!/bin/sh\n", 0o644)
	write(t, filepath.Join(dir, "directory", "tool", "x"), "", 0o644)
	for _, path := range []string{
		"$/one:$/two", "$/two:$/one", "$/nowhere:$/two", "$/denied:$/two", "$/directory:$/two", "$/one/tool:$/two",
		"", ":", ":$/one", "$/nowhere::$/one", "$/one:", "sub:$/one", "./sub", "../two", ".", "$/denied", "$/directory", "$/nowhere",
	} {
		path = strings.ReplaceAll(path, "$", dir)
		cmd := exec.Command("/usr/bin/env", "PATH="+path, "tool")
		cmd.Dir = filepath.Join(dir, "cwd")
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		code := cmd.ProcessState.ExitCode()

		s := Search{Path: path, Dir: cmd.Dir}
		found, err := s.Find("tool")
		var want error
		switch code {
		case 126:
			want = syscall.EACCES
		case 127:
			want = syscall.ENOENT
		}
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("PATH=%s: error %v, execvp has exit code %d", path, err, code)
		}
		if err == nil {
			text, _ := os.ReadFile(s.At(found))
			if !strings.HasSuffix(string(text), "echo "+string(out)) {
				t.Errorf("PATH=%s: found %s, execvp has run that of %s", path, found, out)
			}
		}
	}
	if _, err := (Search{Path: PathOf([]string{"A=1"})}).Find("true"); err != nil {
		t.Errorf("without PATH: %v", err)
	}
	if got := PathOf([]string{"XPATH=/a", "PATH=/b", "PATH=/c"}); got != "/b" {
		t.Errorf("PATH is %q, want the first one", got)
	}
}

// What Check refuses the kernel refuses, and nothing else.
func TestCheckIsTheKernels(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	plain := write(t, in("plain"), "#!/bin/sh\n", 0o644)
	text := write(t, in("text"), "words\n", 0o755)
	files := []string{plain, text,
		write(t, in("elf"), string(program), 0o755),
		write(t, in("elf-plain"), string(program), 0o644),
		write(t, in("script"), "#!/bin/sh\n", 0o755),
		write(t, in("blank"), "#! \t/bin/sh -e \n", 0o755),
		write(t, in("unended"), "#!/bin/true", 0o755),
		write(t, in("nested"), "#!"+in("script")+"\n", 0o755),
		write(t, in("denied"), "#!"+plain+"\n", 0o755),
		write(t, in("missing"), "#!/no/such/sh\n", 0o755),
		write(t, in("directory"), "#!/etc\n", 0o755),
		write(t, in("no-format"), "#!"+text+"\n", 0o755),
		write(t, in("crlf"), "#!/bin/sh\r\n", 0o755),
		write(t, in("bom"), "\xef\xbb\xbf#!/bin/sh\n", 0o755),
		write(t, in("empty"), "", 0o755),
		write(t, in("none"), "#! \n", 0o755),
		dir, in("gone"), "/dev/null", in("plain/x"),
	}
	if loader := loaderOf(program); loader != "" {
		broken := strings.Replace(string(program), loader, strings.Repeat("/", len(loader)-2)+"no", 1)
		files = append(files, write(t, in("no-loader"), broken, 0o755))
	}
	for _, file := range files {
		_, err := Search{}.Check(file)
		ran := exec.Command(file).Run()
		if (err == nil) != (ran == nil) {
			t.Errorf("%s: Check says %v, the kernel %v", file, err, ran)
		}
	}
}

// A program for another machine is a warning: an emulator may be installed.
func TestCheckMachine(t *testing.T) {
	own, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if own[5] != 1 {
		t.Skip("big endian")
	}
	dir := t.TempDir()
	for machine, name := range map[byte]string{62: "amd64", 183: "arm64"} {
		other := append([]byte(nil), own[:4096]...)
		other[18] = machine
		warning, err := Search{}.Check(write(t, filepath.Join(dir, name), string(other), 0o755))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if foreign := strings.Contains(warning, "a program for linux/"+name+", and podhook is one for linux/"+runtime.GOARCH); foreign != (name != runtime.GOARCH) {
			t.Errorf("%s on %s: warning %q", name, runtime.GOARCH, warning)
		}
	}
}

// A directory without the permission to enter it is none to start in.
func TestCheckDir(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "file"), "", 0o755)
	for path, want := range map[string]string{
		dir: "", file: "a regular file; a directory is needed", dir + "/gone": "does not exist",
	} {
		if err := CheckDir(path); want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
