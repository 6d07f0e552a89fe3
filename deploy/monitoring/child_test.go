package monitoring

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// child is a process that ends with the test.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	gone chan struct{}
}

// startChild starts a process in a group of its own, so that Ctrl-C reaches the test alone.
func startChild(t *testing.T, log string, env []string, argv ...string) *child {
	t.Helper()
	file, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c := &child{t: t, cmd: exec.Command(argv[0], argv[1:]...), gone: make(chan struct{})}
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = append(env, mark()), file, file
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = c.cmd.Wait()
		close(c.gone)
	}()
	t.Cleanup(c.stop)
	return c
}

func (c *child) ended() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

func (c *child) signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) }

// stop asks until the process has ended: the third time podhook no longer waits for its hooks.
func (c *child) stop() {
	err := testutil.Until(testutil.Patience, "the process ends", func() bool {
		c.signal(syscall.SIGTERM)
		select {
		case <-c.gone:
			return true
		case <-time.After(200 * time.Millisecond):
			return false
		}
	})
	if err != nil {
		c.t.Errorf("%v: %v", c.cmd.Args, err)
		c.signal(syscall.SIGKILL)
		<-c.gone
	}
}

// mark is in the environment of everything that this process starts.
func mark() string { return "MONITORING_TEST=" + strconv.Itoa(os.Getpid()) }

// left are the processes of this test that are still there.
func left(t *testing.T) (pids []string) {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		environ, _ := os.ReadFile(file) // the process may have ended meanwhile
		if bytes.Contains(environ, []byte(mark()+"\x00")) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}
