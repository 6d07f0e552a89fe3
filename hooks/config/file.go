package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/executable"
)

// maxSize bounds a configuration, in bytes: etcd, and so a ConfigMap, takes no more
// than 1 MiB.
const maxSize = 1 << 20

// A file that is written in place is empty or half written for a while, and half of it
// may be valid YAML. So readFile waits until the file has not changed for settle, and
// reads again if it changed during the read, at most looks times (0.3 s).
const (
	settle = 50 * time.Millisecond
	looks  = 6
)

var errUnsettled = errors.New("is being written all the time; write another file beside it, and rename it")

// readFile reads a configuration file when nothing writes to it.
func readFile(path string) ([]byte, error) {
	for range looks {
		before := stampOf(path)
		time.Sleep(unsettled(path))
		text, err := readOnce(path)
		if stampOf(path) == before {
			return text, err
		}
	}
	return nil, errUnsettled
}

// unsettled returns how long to wait until a file has not changed for settle. The
// result is at most settle, also if the clock was set back after the change. For an
// empty file it is settle: ext4 truncates a file before it updates the time.
func unsettled(path string) time.Duration {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	if st.Size == 0 {
		return settle
	}
	age := time.Since(time.Unix(st.Ctim.Unix()))
	return min(max(settle-age, 0), settle)
}

// readOnce reads a file as it is. It never blocks: a FIFO without a writer would block a
// start for ever.
func readOnce(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, executable.Explain(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s; a regular file is needed", executable.Type(info.Mode()))
	}
	// The file may have become a FIFO since.
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
