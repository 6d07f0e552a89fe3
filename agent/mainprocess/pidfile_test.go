package mainprocess

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
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
}

// checkBadPidfile also fails where reading hangs, as it would on a FIFO.
func checkBadPidfile(t *testing.T, path, want string) error {
	t.Helper()
	result := make(chan error, 1)
	tg := target(t, "pidfile:%s", path)
	go func() {
		_, err := lookFor(tg)
		result <- err
	}()
	select {
	case err := <-result:
		e := wantError[*PidfileError](t, err, path, want)
		if e.Path != path || strings.Count(err.Error(), path) != 1 || len(err.Error()) > len(path)+200 {
			t.Errorf("unclear error for %s: %.500s", path, err)
		}
		return err
	case <-time.After(testutil.Patience):
		t.Fatalf("%s: reading it hangs", path)
		return nil
	}
}

// A pidfile that is older than the process of its number may have outlived a
// container's restart, or the clock was set: which of them cannot be told, so it is
// neither the process nor one that has exited.
func TestPidfileInDoubt(t *testing.T) {
	checkLeaks(t)
	_, cmd := sleeper(t, "in-doubt")
	path := writePidfile(t, strconv.Itoa(cmd.Process.Pid))
	tg := target(t, "pidfile:%s", path)
	for shift, want := range map[time.Duration]string{
		-time.Hour:       "before the start of process",
		-3 * time.Second: "before the start of process",
		3 * time.Second:  "so the clock was set",
		time.Hour:        "so the clock was set",
	} {
		set(t, path, time.Now().Add(shift))
		for _, f := range []*Finder{newFinder(t, tg), newFinder(t, tg)} {
			_, err := f.Current()
			wantError[*PidfileError](t, err, "pidfile:"+path, want, "(in-doubt)", "clock was set", "use name:NAME or exe:PATH")
		}
	}
	set(t, path, time.Now())
	find(t, tg)
}

// What was seen without a doubt stays it, whatever becomes of the clock, for later
// processes too.
func TestPidfileOfProcessSeenBefore(t *testing.T) {
	checkLeaks(t)
	_, cmd := sleeper(t, "seen-before")
	path := writePidfile(t, strconv.Itoa(cmd.Process.Pid))
	tg, memory := target(t, "pidfile:%s", path), &notes{}
	current(t, newFinder(t, tg, memory))
	for _, shift := range []time.Duration{-time.Hour, time.Hour} {
		set(t, path, time.Now().Add(shift))
		if p := current(t, newFinder(t, tg, memory)); p.PID() != cmd.Process.Pid {
			t.Errorf("found %d, want %d", p.PID(), cmd.Process.Pid)
		}
	}
}

func TestProcess1IsNeverInDoubt(t *testing.T) {
	const inTwentyYears = 1 << 36
	file := pidfile{written: time.Now()}
	for pid, doubted := range map[int]bool{1: false, 2: true} {
		if err := file.doubt(&Process{pid: pid, start: inTwentyYears}); (err != nil) != doubted {
			t.Errorf("process %d: %v", pid, err)
		}
	}
}

func set(t *testing.T, path string, modified time.Time) {
	t.Helper()
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatal(err)
	}
}
