package executable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// headSize holds a #! line and the ELF headers.
const headSize = 4096

// ReadHead reads the beginning of a regular file, as far as it says how the file is
// started. It does not block on a FIFO. The error does not repeat the path.
func ReadHead(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, Explain(file, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s; only regular files and links to them can be run", Type(info.Mode()))
	}
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, Explain(file, err)
	}
	defer f.Close()
	head := make([]byte, headSize) // io.ReadAll would take 16 kB more for each program
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, Explain(file, err)
	}
	return head[:n], nil
}

// CheckDir returns why a program cannot be started in a directory, or nil.
func CheckDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return Explain(dir, err)
	case !info.IsDir():
		return fmt.Errorf("%s; a directory is needed", Type(info.Mode()))
	case unix.Faccessat(unix.AT_FDCWD, dir, unix.X_OK, unix.AT_EACCESS) != nil:
		return fmt.Errorf("may not be entered by user %d: permission denied", User())
	}
	return nil
}

// checkExecutable asks the kernel whether the effective user may execute a file: root
// needs an execute bit too. It checks the mount by itself, because without faccessat2(2),
// which old seccomp profiles refuse, faccessat ignores it.
func checkExecutable(file string) error {
	var fs unix.Statfs_t
	if unix.Statfs(file, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		return errors.New("on a mount with noexec (move it, or run it by its interpreter)")
	}
	err := unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, unix.EACCES) {
		return fmt.Errorf("not executable for user %d (chmod +x)", User())
	}
	if err != nil {
		return Explain(file, err)
	}
	return nil
}

// Missing reports whether an error says that a path does not exist. A broken link has
// the same error.
func Missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// Explain says why a path cannot be used, without repeating the path.
func Explain(path string, err error) error {
	switch {
	case Missing(err):
		if target, linkErr := os.Readlink(path); linkErr == nil {
			return fmt.Errorf("a link to %s, which does not exist", target)
		}
		return errors.New("does not exist")
	case errors.Is(err, syscall.ELOOP):
		return errors.New("a link that leads in circles")
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not readable for user %d: permission denied", User())
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// Type names the type of a file.
func Type(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "a regular file"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeNamedPipe:
		return "a FIFO"
	case fs.ModeSocket:
		return "a socket"
	case fs.ModeSymlink:
		return "a link"
	default:
		return "a device"
	}
}

// User returns the user whose permissions count for files in this thread: the effective
// user, unless the thread has set another one by setfsuid(2). It is the effective user too
// where seccomp forbids that call: a -1 would hide that this is root.
func User() int {
	uid, err := unix.SetfsuidRetUid(-1) // changes nothing and returns the current user
	if err != nil {
		return os.Geteuid()
	}
	return uid
}
