package executable

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

// maxInterpreters is how often an interpreter may itself be a script: execve(2).
const maxInterpreters = 4

// Check returns why the kernel would not start a file, or nil. The warning is about
// something that only the run itself can show, such as the program that env(1) starts. A
// file that cannot be read can still be executed, so its text is not checked.
func (s Search) Check(file string) (warning string, err error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return "", Explain(file, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s; a program is needed", Type(info.Mode()))
	}
	if err := checkExecutable(file); err != nil {
		return "", err
	}
	head, err := ReadHead(file)
	if err != nil {
		return "", nil
	}
	_, warning, err = s.checkHead(head)
	return warning, err
}

// Command returns how to start a script: directly if the kernel would, and otherwise by
// the interpreter of its #! line. The warning is that of Check.
func (s Search) Command(file string) (argv []string, warning string, err error) {
	head, err := ReadHead(file)
	if err != nil {
		return nil, "", err
	}
	denied := checkExecutable(file)
	if denied != nil && len(head) > 0 && !hasHashBang(head) {
		return nil, "", fmt.Errorf("%w, and without a #! line that names an interpreter to run it", denied)
	}
	line, warning, err := s.checkHead(head)
	switch {
	case err != nil:
		return nil, "", err
	case denied == nil:
		return []string{file}, warning, nil
	}
	return append(line, file), warning, nil
}

// checkHead returns the words of the #! line, if there is one, and why the file cannot be
// started.
func (s Search) checkHead(head []byte) (line []string, warning string, err error) {
	if len(head) == 0 {
		return nil, "", errors.New("an empty file")
	}
	if isELF(head) {
		return nil, warnOfMachine(head), checkLoader(head)
	}
	line, err = hashBang(head)
	if err != nil {
		return nil, "", err
	}
	if line == nil {
		return nil, "", errors.New("executable, but neither a program (ELF) nor a script: the kernel refuses it (exec format error); begin it with #! and an interpreter, such as #!/bin/sh")
	}
	if err := checkInterpreter(line, 1); err != nil {
		return nil, "", err
	}
	return line, s.warnOfEnv(line), nil
}

// warnOfEnv looks for the program that env(1) would start. It only warns, because the
// hook's own PATH may differ.
func (s Search) warnOfEnv(line []string) string {
	if path.Base(line[0]) != "env" || len(line) != 2 || strings.HasPrefix(line[1], "-") || strings.ContainsAny(line[1], "= \t") {
		return ""
	}
	if _, err := s.Find(line[1]); err != nil {
		return fmt.Sprintf("its interpreter %s is not in the PATH", strconv.Quote(line[1]))
	}
	return ""
}

func checkInterpreter(line []string, depth int) error {
	interpreter := line[0]
	if !path.IsAbs(interpreter) {
		return fmt.Errorf("its interpreter %s has no absolute path", strconv.Quote(interpreter))
	}
	err := checkProgram(interpreter)
	if err == nil {
		err = checkNested(interpreter, depth)
	}
	if err != nil {
		return fmt.Errorf("its interpreter %s: %w", strconv.Quote(interpreter), err)
	}
	return nil
}

func checkLoader(head []byte) error {
	loader := loaderOf(head)
	if loader == "" {
		return nil
	}
	if err := checkProgram(loader); err != nil {
		return fmt.Errorf("its interpreter %s: %w", strconv.Quote(loader), err)
	}
	return nil
}

func checkProgram(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return Explain(file, err)
	case !info.Mode().IsRegular():
		return errors.New(Type(info.Mode()))
	}
	return checkExecutable(file)
}

// checkNested checks the text of an interpreter, which may be a script itself. If it
// cannot be read, it can still be executed, so it is not checked.
func checkNested(interpreter string, depth int) error {
	head, err := ReadHead(interpreter)
	if err != nil {
		return nil
	}
	if isELF(head) {
		return checkLoader(head)
	}
	line, err := hashBang(head)
	switch {
	case err != nil:
		return err
	case line == nil:
		return errors.New("neither a program (ELF) nor a script")
	case depth > maxInterpreters:
		return errors.New("scripts that are each other's interpreters")
	}
	return checkInterpreter(line, depth+1)
}
