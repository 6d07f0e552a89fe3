package process

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// explain finds out why execve(2) of path failed: the kernel says ENOENT of
// a script as well when its interpreter is missing, and of a working directory.
func explain(spec *Spec, path string, err error) *StartError {
	e := &StartError{Argv0: spec.Argv[0], Op: "exec", Err: err}
	if errors.Is(err, ErrClosed) {
		e.Op, e.Reason = "fork", err.Error()
		return e
	}
	// exec gives EPERM too, but not for what a container has.
	if u := spec.User; u != nil && err == syscall.EPERM {
		e.Op = "setuid"
		e.Reason = fmt.Sprintf("podhook (user %d) may not become user %d, group %d: it takes root with the capabilities SETUID and SETGID",
			os.Geteuid(), u.UID, u.GID)
		return e
	}
	if reason := wrongDir(spec.Dir); reason != "" {
		e.Op, e.Reason = "chdir", reason
		return e
	}
	here := inDir(spec.Dir, path)
	switch err {
	case syscall.EAGAIN, syscall.ENOMEM:
		e.Op = "fork"
		e.Reason = "no further process can be made (" + err.Error() +
			"): look at the container's limits of processes and memory, and at RLIMIT_NPROC"
	case syscall.EMFILE, syscall.ENFILE:
		e.Op = "pipe"
		e.Reason = "no further file can be opened (" + err.Error() + "): look at RLIMIT_NOFILE"
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP:
		e.Reason = whyMissing(here, err)
	case syscall.EACCES, syscall.EPERM:
		e.Reason = whyDenied(here, err)
	case syscall.ENOEXEC:
		e.Reason = whyNoFormat(here)
	case syscall.E2BIG:
		e.Reason = tooLong(spec)
	case syscall.ETXTBSY:
		e.Reason = path + " is still open for writing in another process"
	case syscall.EINVAL:
		e.Reason = whyInvalid(spec, err)
	default:
		e.Reason = here + ": " + err.Error()
	}
	return e
}

func wrongDir(dir string) string {
	if dir == "" {
		return ""
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "working directory " + dir + " does not exist"
	case err != nil:
		return "working directory " + dir + ": " + errno(err)
	case !info.IsDir():
		return "working directory " + dir + " is not a directory"
	case unix.Faccessat(unix.AT_FDCWD, dir, unix.X_OK, unix.AT_EACCESS) != nil:
		return "working directory " + dir + " may not be entered: " + syscall.EACCES.Error()
	}
	return ""
}

func whyMissing(path string, err error) string {
	if _, statErr := os.Stat(path); statErr != nil {
		if target, linkErr := os.Readlink(path); linkErr == nil {
			return path + " is a link to " + target + ": " + errno(statErr)
		}
		return path + ": " + errno(statErr)
	}
	if interpreter := interpreterOf(path); interpreter != "" {
		if strings.HasSuffix(interpreter, "\r") {
			return fmt.Sprintf("interpreter %q of %s not found: the file has Windows line ends",
				interpreter, path)
		}
		return "interpreter " + interpreter + " of " + path + " not found"
	}
	return path + ": " + err.Error()
}

func whyDenied(path string, err error) string {
	info, statErr := os.Stat(path)
	if statErr != nil {
		return path + ": " + errno(statErr)
	}
	var fs unix.Statfs_t
	switch {
	case info.IsDir():
		return path + " is a directory"
	case !info.Mode().IsRegular():
		return path + " is not a regular file"
	case info.Mode()&0o111 == 0:
		return path + " has no execute bit"
	case unix.Statfs(path, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0:
		return path + " is on a file system that is mounted noexec"
	}
	if executable(path) == nil {
		if interpreter := interpreterOf(path); interpreter != "" {
			return "interpreter " + interpreter + " of " + path + ": " + err.Error()
		}
	}
	return path + ": " + err.Error()
}

func whyNoFormat(path string) string {
	head, err := readHead(path)
	switch {
	case err != nil:
		return path + ": " + syscall.ENOEXEC.Error()
	case len(head) == 0:
		return path + " is empty"
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return path + " is not for this machine: " + syscall.ENOEXEC.Error()
	case bytes.HasPrefix(head, []byte("#!")):
		return path + ": its #! line is not usable"
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf#!")):
		return path + " has a byte order mark before its #! line"
	}
	return path + " is neither a program nor a script: it has no #! line"
}

// Limits of execve(2): one string, and (with the default stack) all of them.
const longestString = 128 << 10

func tooLong(spec *Spec) string {
	total := 0
	for what, list := range map[string][]string{"argument": spec.Argv, "environment entry": spec.Env} {
		for i, s := range list {
			total += len(s) + 1
			if len(s) >= longestString {
				return fmt.Sprintf("%s %d has %d bytes: one may have %d at most",
					what, i, len(s), longestString-1)
			}
		}
	}
	return fmt.Sprintf("arguments and environment have %d bytes: that is more than the limit", total)
}

func whyInvalid(spec *Spec, err error) string {
	for i, s := range spec.Argv {
		if strings.IndexByte(s, 0) >= 0 {
			return fmt.Sprintf("argument %d contains a NUL byte", i)
		}
	}
	for _, s := range spec.Env {
		if name, _, _ := strings.Cut(s, "="); strings.IndexByte(s, 0) >= 0 {
			return fmt.Sprintf("environment variable %q contains a NUL byte", name)
		}
	}
	if strings.IndexByte(spec.Dir, 0) >= 0 {
		return "the working directory contains a NUL byte"
	}
	return spec.Argv[0] + ": " + err.Error()
}

// interpreterOf is what the kernel runs a file by: the program of its #! line,
// or an ELF file's dynamic loader. It is empty where there is none.
func interpreterOf(path string) string {
	head, err := readHead(path)
	if err != nil {
		return ""
	}
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		line = bytes.TrimLeft(line, " \t")
		if i := bytes.IndexAny(line, " \t"); i >= 0 {
			line = line[:i]
		}
		return string(line)
	}
	return loaderOf(head)
}

// readHead reads as much of a file as holds its #! line or ELF headers.
func readHead(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(file, head)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		err = nil
	}
	return head[:n], err
}

// loaderOf finds PT_INTERP of a 64-bit ELF file (elf(5)). debug/elf would do,
// and would cost more of the binary than the rest of this package.
func loaderOf(head []byte) string {
	const (
		headerSize, class64, interp = 64, 2, 3
	)
	if len(head) < headerSize || !bytes.HasPrefix(head, []byte("\x7fELF")) || head[4] != class64 {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	table, size := order.Uint64(head[32:]), uint64(order.Uint16(head[54:]))
	for i := range uint64(order.Uint16(head[56:])) {
		at := table + i*size
		if at > uint64(len(head)) || uint64(len(head))-at < 56 {
			return ""
		}
		entry := head[at:]
		if order.Uint32(entry) != interp {
			continue
		}
		from, length := order.Uint64(entry[8:]), order.Uint64(entry[32:])
		if from > uint64(len(head)) || length > uint64(len(head))-from {
			return ""
		}
		return string(bytes.TrimRight(head[from:from+length], "\x00"))
	}
	return ""
}

// errno is the cause of a path error, without the path.
func errno(err error) string {
	if cause := new(syscall.Errno); errors.As(err, cause) {
		return cause.Error()
	}
	return err.Error()
}
