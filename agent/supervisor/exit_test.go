package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// expect runs command under the init and compares its exit code.
func expect(c conditions, i initProgram, o options, code int, command ...string) error {
	c.patience = i.patience()
	argv, _ := i.argv(o, command)
	got, err := c.run(argv...)
	if err != nil {
		return err
	}
	if got.code != code {
		return fmt.Errorf("exit code %d, not %d: %s", got.code, code, strings.TrimSpace(got.stderr))
	}
	return nil
}

func TestAllExitCodes(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		for code := 0; code < 256; code += 256 / i.rounds(256) {
			if err := expect(conditions{Container: true}, i, options{}, code, "sh", "-c", fmt.Sprintf("exit %d", code)); err != nil {
				return err
			}
		}
		return nil
	})
}

// A CMD can end before podhook waits for its end.
func TestShortCommands(t *testing.T) {
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
				out, err := exec.CommandContext(ctx, podhook, "run", "-s", "--", "true").CombinedOutput()
				cancel()
				if err != nil {
					t.Errorf("%v: %s", err, out)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestExitCodeOfKilledChild(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		for _, sig := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16, 24, 27, 31, 34, 35, 64} {
			if err := expect(conditions{Container: true}, i, options{}, 128+sig, "sh", "-c", fmt.Sprintf("ulimit -c 0; kill -%d $$", sig)); err != nil {
				return fmt.Errorf("signal %d: %w", sig, err)
			}
		}
		return nil
	})
}

func TestExitCodeRemapped(t *testing.T) {
	needRoot(t)
	o := options{remap: "143"}
	rule(t, o, func(t *testing.T, i initProgram) error {
		if err := expect(conditions{Container: true}, i, o, 0, "sh", "-c", "kill -TERM $$"); err != nil {
			return err
		}
		return expect(conditions{Container: true}, i, o, 7, "sh", "-c", "exit 7")
	})
}

func TestCommandNotFound(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		for _, name := range []string{"no-such-program", "/no/such/program", ""} {
			argv, _ := i.argv(options{}, []string{name})
			got, err := conditions{Container: true}.run(argv...)
			switch {
			case err != nil:
				return err
			case got.code != 127:
				return fmt.Errorf("%q: exit code %d, not 127", name, got.code)
			case strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, name):
				return fmt.Errorf("%q: no message: %q", name, got.stderr)
			}
		}
		return nil
	})
}

func TestCommandNotExecutable(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	plain := write(t, filepath.Join(dir, "plain"), "echo\n", 0o644)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		for _, name := range []string{plain, dir} {
			argv, _ := i.argv(options{}, []string{name})
			got, err := conditions{Container: true}.run(argv...)
			if err != nil {
				return err
			}
			if got.code != 126 || !strings.Contains(got.stderr, name) {
				return fmt.Errorf("%s: exit code %d, not 126: %q", name, got.code, got.stderr)
			}
		}
		return nil
	})
}

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// The program is searched for as execvp(3) does it.
func TestSearchesPath(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	script := func(code int) string { return fmt.Sprintf("#!/bin/sh\nexit %d\n", code) }
	write(t, filepath.Join(dir, "bin", "relative"), script(11), 0o755)
	write(t, filepath.Join(dir, "here"), script(12), 0o755)
	write(t, filepath.Join(dir, "denied", "twice"), script(1), 0o644)
	write(t, filepath.Join(dir, "bin", "twice"), script(13), 0o755)
	write(t, filepath.Join(dir, "denied", "never"), script(1), 0o644)
	write(t, filepath.Join(dir, "bin", "bare"), "exit 14\n", 0o755)
	write(t, filepath.Join(dir, "file", "x"), "", 0o644)
	for _, c := range []struct {
		name, path, program string
		code                int
	}{
		{"relative entry", "PATH=/nowhere:bin", "relative", 11},
		{"empty entry", "PATH=/nowhere:", "here", 12},
		{"empty PATH", "PATH=", "here", 12},
		{"denied and found later", "PATH=denied:bin", "twice", 13},
		{"denied and not found", "PATH=denied:bin", "never", 126},
		{"entry is a file", "PATH=file/x:bin", "relative", 11},
		{"no format: sh runs it", "PATH=bin", "bare", 14},
		{"no PATH", "HOME=/", "true", 0},
		{"slash: no search", "PATH=bin", "./here", 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule(t, options{}, func(t *testing.T, i initProgram) error {
				return expect(conditions{Container: true, Dir: dir, Env: []string{c.path}}, i, options{}, c.code, c.program)
			})
		})
	}
}

// What a script leaves behind in the background is gone with PID 1.
func TestBackgroundChildrenEndWithPID1(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		argv, _ := i.argv(options{}, []string{"sh", "-c", "sleep 60 & exit 5"})
		cmd := conditions{Container: true}.command(argv...)
		// Its write end is open as long as any process of the namespace lives.
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		ended := make(chan struct{})
		go func() {
			_, _ = out.Read(make([]byte, 1))
			close(ended)
		}()
		err = testutil.Until(10*time.Second, "nobody is left", func() bool {
			select {
			case <-ended:
				return true
			default:
				return false
			}
		})
		_ = waitFor(cmd)
		if err == nil && cmd.ProcessState.ExitCode() != 5 {
			err = fmt.Errorf("exit code %d", cmd.ProcessState.ExitCode())
		}
		return err
	})
}
