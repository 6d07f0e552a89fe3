package executable

import (
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultPath is where execvp(3) searches without PATH.
const defaultPath = "/bin:/usr/bin"

// Search says where to look for a program.
type Search struct {
	// Path is the value of PATH.
	Path string
	// Dir is the directory that the program starts in, to which paths are relative; ""
	// means that of this process.
	Dir string
}

// PathOf returns PATH as getenv(3) finds it in an environment, where the first entry
// counts, or the C library's default where it is not set.
func PathOf(env []string) string {
	for _, entry := range env {
		if path, ok := strings.CutPrefix(entry, "PATH="); ok {
			return path
		}
	}
	return defaultPath
}

// Candidates returns the paths that execvp(3) tries for a program, in its order:
// the name itself where it contains a slash, else one for each entry of PATH. An
// empty entry is the working directory.
func (s Search) Candidates(name string) []string {
	if name == "" {
		return nil
	}
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var paths []string
	for _, dir := range strings.Split(s.Path, ":") {
		if dir != "" {
			dir += "/"
		}
		paths = append(paths, dir+name)
	}
	return paths
}

// FindError says that no file has the name, or that none that has it may be executed.
type FindError struct {
	// Reason says what was searched, or why the file cannot be executed.
	Reason string
	// Err is syscall.ENOENT or syscall.EACCES.
	Err syscall.Errno
}

func (e *FindError) Error() string { return e.Reason }

// Unwrap returns what execvp(3) fails with.
func (e *FindError) Unwrap() error { return e.Err }

// Find returns the path that execvp(3) would start, relative to Dir. A name with a slash
// is returned as it is. The error is a *FindError. If a file has the name but may not be
// executed, Find returns its path with the error.
func (s Search) Find(name string) (path string, err error) {
	switch {
	case name == "":
		return "", &FindError{"not found: the name is empty", syscall.ENOENT}
	case strings.Contains(name, "/"):
		return name, nil
	}
	denied := ""
	for _, path := range s.Candidates(name) {
		switch access(s.At(path)) {
		case nil:
			return path, nil
		case syscall.EACCES:
			if denied == "" {
				denied = path
			}
		}
	}
	if denied != "" {
		at := s.At(denied)
		return denied, &FindError{at + ": " + s.why(at).Error(), syscall.EACCES}
	}
	return "", &FindError{"not found in PATH " + strconv.Quote(s.Path), syscall.ENOENT}
}

// why returns why a file cannot be executed; that it cannot is known.
func (s Search) why(file string) error {
	if _, err := s.Check(file); err != nil {
		return err
	}
	return syscall.EACCES
}

// At converts a path relative to Dir to one that this process can use.
func (s Search) At(path string) string {
	if s.Dir == "" || strings.HasPrefix(path, "/") {
		return path
	}
	return filepath.Join(s.Dir, path)
}

// access returns nil for a regular file that this thread may execute.
func access(path string) error {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return syscall.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}
