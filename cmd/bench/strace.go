package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// strace is the path of strace(1).
type strace string

func findStrace() (s strace, missing string) {
	path, err := exec.LookPath("strace")
	if err != nil {
		return "", "strace is not installed"
	}
	return strace(path), ""
}

// calls returns the system calls of a command and of its children, a line each.
func (s strace) calls(log string, env []string, argv ...string) ([]string, error) {
	defer os.Remove(log)
	if _, err := wall(env, append([]string{string(s), "-f", "-qq", "-e", "signal=none", "-o", log}, argv...)...)(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return nil, err
	}
	var calls []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "(") && !strings.Contains(line, " resumed>") {
			calls = append(calls, line)
		}
	}
	if len(calls) == 0 {
		return nil, fmt.Errorf("strace says nothing about %q", argv)
	}
	return calls, nil
}

// syncs counts the calls that wait for a disk.
func syncs(calls []string) (n int) {
	waits := regexp.MustCompile(`\b(fsync|fdatasync|sync|syncfs|sync_file_range|msync)\(`)
	for _, call := range calls {
		if waits.MatchString(call) {
			n++
		}
	}
	return n
}

// created counts the files that were made: opened with O_CREAT, and not there before, and
// directories and links.
func created(calls []string, before map[string]bool) (n int) {
	opens := regexp.MustCompile(`\b(?:openat|open|creat)\((?:AT_FDCWD, |\d+, )?"([^"]*)", .*O_CREAT.* = \d+`)
	makes := regexp.MustCompile(`\b(?:mkdirat|mkdir|linkat|link|symlinkat|symlink|mknodat|mknod)\(.* = 0`)
	for _, call := range calls {
		if m := opens.FindStringSubmatch(call); m != nil && (strings.Contains(call, "O_EXCL") || !before[filepath.Base(m[1])]) || makes.MatchString(call) {
			n++
		}
	}
	return n
}
