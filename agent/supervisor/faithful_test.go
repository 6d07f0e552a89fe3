package supervisor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// same runs command under the conditions by itself and under the init: it must
// print the same. want is what it has to print at least, so that a condition that
// never came about is seen.
func same(c conditions, i initProgram, want string, command ...string) error {
	direct, err := c.run(command...)
	if err != nil {
		return err
	}
	if !strings.Contains(direct.stdout, want) {
		return fmt.Errorf("the test is wrong: without an init it is %q", direct.stdout)
	}
	c.patience = i.patience()
	argv, _ := i.argv(options{}, command)
	got, err := c.run(argv...)
	if err != nil {
		return err
	}
	if got.stdout != direct.stdout || got.code != direct.code {
		return fmt.Errorf("without: %d %q, with: %d %q %q", direct.code, direct.stdout, got.code, got.stdout, got.stderr)
	}
	return nil
}

// hex is a set of signals as /proc/PID/status has it.
func hex(signals []int) string { return fmt.Sprintf("%016x", setOf(signals)) }

func TestKeepsSignalMask(t *testing.T) {
	for _, blocked := range [][]int{nil, {10, 12, 21}, {15, 4, 1, 2, 3}, {17, 11, 5, 27, 23}, {34, 35, 50, 64}} {
		t.Run(fmt.Sprint(blocked), func(t *testing.T) {
			rule(t, options{}, func(t *testing.T, i initProgram) error {
				return same(conditions{Block: blocked}, i, "SigBlk:\t"+hex(blocked), "sed", "-n", "/SigBlk/p", "/proc/self/status")
			})
		})
	}
}

// libcsOwn are the signals that glibc keeps for itself, where the test was started
// with them ignored: its posix_spawn(3), which make(1) uses, leaves them so.
func libcsOwn(t *testing.T) (ignored []int) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "SigIgn:\t")
	mask, err := strconv.ParseUint(rest[:16], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []int{32, 33} {
		if mask&(1<<(sig-1)) != 0 {
			ignored = append(ignored, sig)
		}
	}
	return ignored
}

func TestKeepsIgnoredSignals(t *testing.T) {
	for _, ignored := range [][]int{nil, {1, 2}, {15, 3, 13, 11}, {17}, {18, 20, 21, 22, 23, 28}, {27, 34, 35, 50}} {
		t.Run(fmt.Sprint(ignored), func(t *testing.T) {
			rule(t, options{}, func(t *testing.T, i initProgram) error {
				return same(conditions{Ignore: ignored}, i, "SigIgn:\t"+hex(append(ignored, libcsOwn(t)...)), "sed", "-n", "/SigIgn/p", "/proc/self/status")
			})
		})
	}
}

// An ignored SIGCHLD makes wait(2) fail with ECHILD where it is not put right.
func TestIgnoredSIGCHLD(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		c := conditions{Container: true, Ignore: []int{17}, Block: []int{17}}
		return expect(c, i, options{}, 9, "sh", "-c", "exit 9")
	})
}

func TestKeepsLimits(t *testing.T) {
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		return same(conditions{NoFile: 777}, i, "777", "cat", "/proc/self/limits")
	})
}

func TestKeepsClosedDescriptorsClosed(t *testing.T) {
	for _, shut := range [][]int{{0}, {2}, {0, 2}} {
		t.Run(fmt.Sprint(shut), func(t *testing.T) {
			rule(t, options{}, func(t *testing.T, i initProgram) error {
				return same(conditions{Close: shut}, i, "1\n", "bash", "-c", "cd /proc/$$/fd; for fd in 0 1 2; do test -e $fd && echo $fd; done; true")
			})
		})
	}
}

// Descriptors that were passed in are there, and no other.
func TestPassesDescriptors(t *testing.T) {
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		list := []string{"bash", "-c", "ls /proc/$$/fd; readlink /proc/$$/fd/3 /proc/$$/fd/4"}
		file, err := os.Open("/etc/passwd")
		if err != nil {
			return err
		}
		defer file.Close()
		argv, _ := i.argv(options{}, list)
		var printed [2]string
		for n, words := range [][]string{list, argv} {
			cmd := conditions{}.command(words...)
			cmd.ExtraFiles = []*os.File{file, file}
			out, err := cmd.Output()
			if err != nil {
				return err
			}
			printed[n] = string(out)
		}
		if printed[0] != printed[1] || !strings.Contains(printed[0], "/etc/passwd\n/etc/passwd\n") {
			return fmt.Errorf("without: %q, with: %q", printed[0], printed[1])
		}
		return nil
	})
}

func TestKeepsEnvironment(t *testing.T) {
	env := []string{"Z=last first", "PATH=/usr/bin:/bin", "A=1", "A=2", "", "no-equals", "=empty", "A=1", "GOGC=off", "B=\xff\xfe\n", "GODEBUG="}
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		return same(conditions{Env: env}, i, strings.Join(env, "\x00"), "cat", "/proc/self/environ")
	})
}

func TestKeepsAttributes(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	c := conditions{Dir: dir, Umask: 0o123, Nice: 7, OOM: "321", User: 4321}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, what := range []struct {
		name, want string
		command    []string
	}{
		{"directory", dir, []string{"readlink", "/proc/self/cwd"}},
		{"umask", "0123", []string{"grep", "Umask", "/proc/self/status"}},
		{"nice and scheduling", " 7 ", []string{"sh", "-c", "cut -d ' ' -f 18,19,40,41 /proc/self/stat | sed 's/^/ /;s/$/ /'"}},
		{"oom_score_adj", "321", []string{"cat", "/proc/self/oom_score_adj"}},
		{"ids", "4321", []string{"grep", "-E", "^(Uid|Gid|Groups)", "/proc/self/status"}},
		{"capabilities", "CapEff:\t0000000000000000", []string{"grep", "-E", "^(Cap|NoNewPrivs|Seccomp)", "/proc/self/status"}},
		{"argv", "grep\x00", []string{"grep", "-z", "", "/proc/self/cmdline"}},
	} {
		t.Run(what.name, func(t *testing.T) {
			rule(t, options{}, func(t *testing.T, i initProgram) error {
				return same(c, i, what.want, what.command...)
			})
		})
	}
}

// argv[0] is the word that was given, not the path it was found at.
func TestKeepsFirstWord(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/usr/bin/cat", filepath.Join(dir, "kitten")); err != nil {
		t.Fatal(err)
	}
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		argv, _ := i.argv(options{}, []string{"kitten", "/proc/self/cmdline"})
		got, err := conditions{Env: []string{"PATH=" + dir}}.run(argv...)
		if err == nil && got.stdout != "kitten\x00/proc/self/cmdline\x00" {
			err = fmt.Errorf("%q", got.stdout)
		}
		return err
	})
}

// Standard input and output are the very same files, not copies through a pipe.
func TestHandsOverStandardFiles(t *testing.T) {
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		file, err := os.OpenFile(filepath.Join(t.TempDir(), "out"), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		defer file.Close()
		argv, _ := i.argv(options{}, []string{"readlink", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"})
		cmd := conditions{}.command(argv...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = file, file, file
		if err := cmd.Run(); err != nil {
			return err
		}
		text, err := os.ReadFile(file.Name())
		if strings.Count(string(text), file.Name()+"\n") != 3 {
			return fmt.Errorf("%q", text)
		}
		return err
	})
}
