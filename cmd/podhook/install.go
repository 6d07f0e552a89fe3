package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/state"
)

// installedName and installedMode are the name and mode of the copy.
const (
	installedName = "podhook"
	installedMode = 0o755
)

// leftoverAge is the age from which a temporary file belongs to no running install.
const leftoverAge = 10 * time.Minute

// defineInstall copies the running binary into a directory, such as an emptyDir that an
// init container shares with an image that cannot be rebuilt. With --check it only
// compares the copy with the running binary.
func defineInstall(inv *invocation, fs *flag.FlagSet) action {
	checkOnly := fs.Bool("check", false, "only say whether this binary is there")
	return func(_ context.Context, words []string) int { return install(inv, words[0], *checkOnly) }
}

func install(inv *invocation, dir string, checkOnly bool) int {
	target := filepath.Join(dir, installedName)
	binary, err := runningBinary()
	if err != nil {
		return inv.fail(err)
	}
	defer func() { _ = unix.Munmap(binary) }()
	differs, err := difference(target, binary)
	switch {
	case err != nil:
	case differs == "":
		fmt.Fprintf(inv.stdout, "podhook: %s is current (%s)\n", target, version)
		return exitOK
	case checkOnly:
		fmt.Fprintf(inv.stdout, "podhook: %s is not current: %s\n", target, differs)
		return exitFailed
	default:
		err = copyTo(target, binary)
	}
	if err != nil {
		return inv.fail(err)
	}
	fmt.Fprintf(inv.stdout, "podhook: %s installed (%s)\n", target, version)
	return exitOK
}

// runningBinary maps the file that this process was started from, even if its name
// now means another file (proc(5), /proc/pid/exe). Reading it would take too much
// memory for an init container.
func runningBinary() ([]byte, error) {
	file, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("install: the running binary cannot be read: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("install: the running binary cannot be read: %w", err)
	}
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("install: the running binary cannot be read: %w", err)
	}
	return data, nil
}

// difference says how target differs from the binary, or returns "". A link differs,
// because its target can change.
func difference(target string, binary []byte) (string, error) {
	if err := isDirectory(filepath.Dir(target)); err != nil {
		return "", err
	}
	info, err := os.Lstat(target)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "it is missing", nil
	case err != nil:
		return "", fmt.Errorf("install: %w", err)
	case info.IsDir():
		return "", fmt.Errorf("install: %s is a directory: remove it, or give another directory", target)
	case !info.Mode().IsRegular():
		return "it is no regular file", nil
	case info.Mode() != installedMode:
		return fmt.Sprintf("its mode is %04o", info.Mode().Perm()), nil
	}
	file, err := os.Open(target)
	if err != nil {
		return "", fmt.Errorf("install: %w", err)
	}
	defer file.Close()
	same, err := equal(file, binary)
	if err != nil {
		return "", fmt.Errorf("install: %w", err)
	}
	if !same {
		return "it is another binary", nil
	}
	return "", nil
}

func isDirectory(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("install: %s does not exist: mount a volume there, such as an emptyDir", dir)
	case err != nil:
		return fmt.Errorf("install: %w", err)
	case !info.IsDir():
		return fmt.Errorf("install: %s is a file: a directory is needed, such as a mounted emptyDir", dir)
	}
	return nil
}

// equal compares piece by piece, because two whole binaries are too much memory for
// an init container.
func equal(r io.Reader, want []byte) (bool, error) {
	piece := make([]byte, 64<<10)
	for {
		n, err := r.Read(piece)
		if n > len(want) || !bytes.Equal(piece[:n], want[:n]) {
			return false, nil
		}
		want = want[n:]
		if errors.Is(err, io.EOF) {
			return len(want) == 0, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// copyTo replaces target by a rename, so that a failure leaves the old copy, and a
// copy that runs goes on (open(2), ETXTBSY).
func copyTo(target string, binary []byte) error {
	dir := filepath.Dir(target)
	var mount unix.Statfs_t
	if err := unix.Statfs(dir, &mount); err != nil {
		return fmt.Errorf("install: %s: %w", dir, err)
	}
	if mount.Flags&unix.ST_NOEXEC != 0 {
		return fmt.Errorf("install: %s is mounted noexec: no program can be started from there, mount another volume", dir)
	}
	removeLeftovers(dir)
	err := state.WriteFileAtomic(target, binary, installedMode)
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("install: %s has no room for %d bytes: raise the sizeLimit of its volume", dir, len(binary))
	case errors.Is(err, unix.EROFS), errors.Is(err, os.ErrPermission):
		return fmt.Errorf("install: %s cannot be written (%w): mount a writable volume there, such as an emptyDir", dir, err)
	case err != nil:
		return fmt.Errorf("install: %w", err)
	}
	return nil
}

// removeLeftovers removes the temporary files of installs that were killed.
func removeLeftovers(dir string) {
	leftovers, _ := filepath.Glob(filepath.Join(dir, "."+installedName+".*.tmp"))
	for _, path := range leftovers {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > leftoverAge {
			_ = os.Remove(path)
		}
	}
}
