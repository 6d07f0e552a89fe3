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

// maxSize bounds a configuration: etcd, and so a ConfigMap, takes no more
// than 1 MiB.
const maxSize = 1 << 20

// A file that is written in place is seen empty, and half written, which may still be
// YAML. So it is read when it has not changed for settle, at most looks times; that
// takes 0.3 s at most. Whether it has changed in the reading is looked at afterwards.
const (
	settle = 50 * time.Millisecond
	looks  = 6
)

var errUnsettled = errors.New("is being written all the time; write another file beside it, and rename it")

// readFile reads a configuration file that nobody is writing.
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

// unsettled is how long is still to be waited until a file has not changed for settle.
// A change in the future is one of a clock that was set back. An empty file is waited
// for in any case: ext4 cuts a file first, and writes the time of that later.
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

// readOnce reads a file as it is. It never blocks: a FIFO that nobody writes would hold
// a start up for ever.
func readOnce(path string) ([]byte, error) {
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
