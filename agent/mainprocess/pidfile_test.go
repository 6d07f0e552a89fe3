package mainprocess

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func writePidfile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "main.pid")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPidfileForms(t *testing.T) {
	for _, text := range []string{
		"4711", "4711\n", " 4711 \r\n", "\n4711\n", "04711\n",
		"4711\n/var/lib/postgresql/data\n1700000000\n5432\n/run/postgresql\nlocalhost\n" + strings.Repeat("x", 200),
	} {
		file, err := readPidfile(writePidfile(t, text))
		if err != nil || file.pid != 4711 {
			t.Errorf("%q: %d, %v", text, file.pid, err)
		}
	}
}

func TestPidfileErrors(t *testing.T) {
	checkLeaks(t)
	long := strings.Repeat("1", 65)
	texts := map[string]string{
		"":                           "it is empty",
		" \n\n":                      "it is empty",
		"nginx\n":                    `it holds "nginx"; a PID (1 to 4194304) is expected`,
		"12abc\n":                    `it holds "12abc"`,
		"12 13\n":                    `it holds "12 13"`,
		"0\n":                        `it holds "0"`,
		"-1\n":                       `it holds "-1"`,
		"4194305\n":                  `it holds "4194305"`,
		"99999999999999999999":       `it holds "99999999999999999999"`,
		"1\x00":                      `it holds "1\x00"`,
		long:                         "longer than 64 bytes",
		strings.Repeat("7", 1000000): "longer than 64 bytes",
	}
	for text, want := range texts {
		checkBadPidfile(t, writePidfile(t, text), want)
	}

	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.Mkdir(at("dir"), 0o755),
		syscall.Mkfifo(at("fifo"), 0o644),
		os.Symlink("loop2", at("loop1")),
		os.Symlink("loop1", at("loop2")),
		os.Symlink("/dev/zero", at("device")),
		os.WriteFile(at("file"), nil, 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	checkBadPidfile(t, at("dir"), "not a regular file")
	checkBadPidfile(t, at("fifo"), "not a regular file")
	checkBadPidfile(t, at("device"), "not a regular file")
	checkBadPidfile(t, at("file/main.pid"), "not a directory")
	if err := checkBadPidfile(t, at("loop1"), "too many levels of symbolic links"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a loop of links: %v", err)
	}
	if err := checkBadPidfile(t, at("missing"), "no such file"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// checkBadPidfile also fails where reading hangs, as it would on a FIFO.
func checkBadPidfile(t *testing.T, path, want string) error {
	t.Helper()
	result := make(chan error, 1)
	tg := target(t, "pidfile:%s", path)
	go func() {
		_, err := tg.Find()
		result <- err
	}()
	select {
	case err := <-result:
		e := wantError[*PidfileError](t, err, path, want)
		if e.Path != path || strings.Count(err.Error(), path) != 1 || len(err.Error()) > len(path)+200 {
			t.Errorf("unclear error for %s: %.500s", path, err)
		}
		if errors.Is(err, ErrNone) {
			t.Errorf("%s: a bad pidfile looks like a main process that has gone", path)
		}
		return err
	case <-time.After(patience):
		t.Fatalf("%s: reading it hangs", path)
		return nil
	}
}

// What a pidfile that outlived a container's restart names is another process.
func TestPidfileOlderThanProcess(t *testing.T) {
	checkLeaks(t)
	_, cmd := sleeper(t, "not-of-pidfile")
	path := writePidfile(t, strconv.Itoa(cmd.Process.Pid))
	tg := target(t, "pidfile:%s", path)
	find(t, tg)
	earlier := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, earlier, earlier); err != nil {
		t.Fatal(err)
	}
	_, err := tg.Find()
	if e := wantError[*GoneError](t, err, tg.String(), "another process"); !e.Recycled || e.PID != cmd.Process.Pid {
		t.Errorf("%+v", e)
	}
	// Process 1 cannot be another one.
	const inTwentyYears = 1 << 36
	for pid, want := range map[int]bool{1: false, 2: true} {
		if got := (pidfile{pid: pid, written: earlier}).older(inTwentyYears); got != want {
			t.Errorf("process %d: recycled %v, want %v", pid, got, want)
		}
	}
}
