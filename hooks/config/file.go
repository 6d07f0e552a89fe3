package config

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/podhook/podhook/hooks/executable"
)

// maxSize bounds a configuration: etcd, and so a ConfigMap, takes no more
// than 1 MiB.
const maxSize = 1 << 20

// readFile reads a configuration file. It never blocks: a FIFO that nobody
// writes would hold a start up for ever.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, executable.Explain(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s; a regular file is needed", executable.Type(info.Mode()))
	}
	// Between the look and the opening it may have become a FIFO.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, executable.Explain(path, err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, executable.Explain(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s; a regular file is needed", executable.Type(info.Mode()))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, executable.Explain(path, err)
	}
	return text, nil
}
