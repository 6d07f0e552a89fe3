package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxSize bounds a configuration: etcd, and so a ConfigMap, takes no more
// than 1 MiB.
const maxSize = 1 << 20

// readFile reads a configuration file. It never blocks: a FIFO that nobody
// writes would hold a start up for ever.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, explain(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s; a regular file is needed", fileType(info.Mode()))
	}
	// Between the look and the opening it may have become a FIFO.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, explain(path, err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, explain(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s; a regular file is needed", fileType(info.Mode()))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, explain(path, err)
	}
	return text, nil
}

// missing is true where there is nothing at a path, not even a broken link.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// explain says why a path cannot be used, in words that do not repeat it.
func explain(path string, err error) error {
	switch {
	case missing(err):
		if target, linkErr := os.Readlink(path); linkErr == nil {
			return fmt.Errorf("a link to %s, which does not exist", target)
		}
		return errors.New("does not exist")
	case errors.Is(err, syscall.ELOOP):
		return errors.New("a link that leads in circles")
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not readable for user %d: permission denied", fsUser())
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

func fileType(mode fs.FileMode) string {
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
