package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxHashBang is BINPRM_BUF_SIZE - 1: of a longer first line the kernel would
// take a part, see execve(2).
const maxHashBang = 255

// startable says how to start a file, or why it cannot be started: itself where
// the kernel would, else through the interpreter of its #! line.
func startable(file string) (argv []string, warning string, err error) {
	head, err := readHead(file)
	if err != nil {
		return nil, "", err
	}
	noExec := executable(file)
	if noExec == nil && isELF(head) {
		return []string{file}, "", nil
	}
	line, err := hashBang(head)
	switch {
	case len(head) == 0:
		return nil, "", errors.New("an empty file")
	case err != nil:
		return nil, "", err
	case line == nil && noExec != nil:
		return nil, "", fmt.Errorf("%w, and without a #! line that names an interpreter to run it", noExec)
	case line == nil:
		return nil, "", errors.New("executable, but neither a program (ELF) nor a script: the kernel refuses it (exec format error); begin it with #! and an interpreter, such as #!/bin/sh")
	}
	if warning, err = checkInterpreter(line, 1); err != nil {
		return nil, "", err
	}
	if noExec == nil {
		return []string{file}, warning, nil
	}
	return append(line, file), warning, nil
}

// readHead reads as much of a regular file as the kernel looks at to start it.
func readHead(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, explain(file, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s; only regular files and links to them can be run", fileType(info.Mode()))
	}
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, explain(file, err)
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, maxHashBang+1))
	if err != nil {
		return nil, explain(file, err)
	}
	return head, nil
}

// executable asks the kernel, by the user whose permissions count: root needs an
// execute bit too. The mount is looked at by itself, because without
// faccessat2(2), which old seccomp profiles refuse, the answer leaves it out.
func executable(file string) error {
	var fs unix.Statfs_t
	if unix.Statfs(file, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		return errors.New("on a mount with noexec")
	}
	err := unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, unix.EACCES) {
		return fmt.Errorf("not executable for user %d (chmod +x)", fsUser())
	}
	if err != nil {
		return explain(file, err)
	}
	return nil
}

// hashBang takes the first line apart as the kernel does (execve(2), "Interpreter
// scripts"): the interpreter and at most one argument, which is all the rest.
// It is nil where there is no such line.
func hashBang(head []byte) ([]string, error) {
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf#!")) {
		return nil, errors.New("a byte order mark stands before its #!; save it as UTF-8 without BOM")
	}
	line, found := bytes.CutPrefix(head, []byte("#!"))
	if !found {
		return nil, nil
	}
	line, _, ended := bytes.Cut(line, []byte("\n"))
	switch {
	case !ended && len(head) > maxHashBang:
		return nil, fmt.Errorf("its #! line is longer than %d bytes, of which the kernel takes only a part", maxHashBang)
	case bytes.HasSuffix(line, []byte("\r")):
		return nil, errors.New(`its #! line ends in CR LF, so that the interpreter would be looked for with a "\r"; save it with LF line ends`)
	case bytes.ContainsRune(line, 0):
		return nil, errors.New("a NUL byte in its #! line")
	}
	text := strings.Trim(string(line), " \t")
	if text == "" {
		return nil, errors.New("no interpreter in its #! line")
	}
	interpreter, arg := text, ""
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		interpreter, arg = text[:i], strings.Trim(text[i:], " \t")
	}
	if arg == "" {
		return []string{interpreter}, nil
	}
	return []string{interpreter, arg}, nil
}

func isELF(head []byte) bool { return bytes.HasPrefix(head, []byte("\x7fELF")) }

// maxInterpreters is how often an interpreter may itself be a script, see
// execve(2).
const maxInterpreters = 4

// checkInterpreter wants one that can be started. What env(1) would find is
// only a warning: the hook's own PATH may differ.
func checkInterpreter(line []string, depth int) (warning string, err error) {
	interpreter := line[0]
	if !path.IsAbs(interpreter) {
		return "", fmt.Errorf("its interpreter %s has no absolute path", quote(interpreter))
	}
	info, err := os.Stat(interpreter)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New(fileType(info.Mode()))
	} else if err != nil {
		err = explain(interpreter, err)
	} else {
		err = executable(interpreter)
	}
	if err != nil {
		return "", fmt.Errorf("its interpreter %s: %w", quote(interpreter), err)
	}
	if err := checkNested(interpreter, depth); err != nil {
		return "", err
	}
	if path.Base(interpreter) == "env" && len(line) == 2 && !strings.HasPrefix(line[1], "-") && !strings.ContainsAny(line[1], "= \t") && inPath(line[1], os.Getenv("PATH")) == "" {
		return fmt.Sprintf("its interpreter %s is not in the PATH", quote(line[1])), nil
	}
	return "", nil
}

// checkNested looks into an interpreter: it may be a script itself. One that
// cannot be read can still be executed, so nothing is said of it.
func checkNested(interpreter string, depth int) error {
	head, err := readHead(interpreter)
	if err != nil || isELF(head) {
		return nil
	}
	line, err := hashBang(head)
	switch {
	case err != nil:
	case line == nil:
		err = errors.New("neither a program (ELF) nor a script")
	case depth > maxInterpreters:
		err = errors.New("scripts that are each other's interpreters")
	default:
		_, err = checkInterpreter(line, depth+1)
	}
	if err != nil {
		return fmt.Errorf("its interpreter %s: %w", quote(interpreter), err)
	}
	return nil
}

// inPath is where a program is found as execvp(3) would, or "".
func inPath(name, search string) string {
	for _, dir := range filepath.SplitList(search) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && executable(file) == nil {
			return file
		}
	}
	return ""
}
