package door

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func listen(t *testing.T, address string, limit int) net.Listener {
	t.Helper()
	l, err := Listen(address, limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestSocketIsForItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "podhook.sock")
	l := listen(t, "unix:"+path, 10)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}
	if _, err := Listen("unix:"+path, 10, nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second agent listens there too: %v", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal("the first agent has lost its socket:", err)
	}
	conn.Close()
	l.Close()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("the socket is left behind")
	}
}

// An agent that was killed leaves its socket behind.
func TestStaleSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "podhook.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	listen(t, "unix:"+path, 10)

	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:"+file, 10, nil); err == nil {
		t.Error("an agent listens at a file")
	}
	if text, err := os.ReadFile(file); string(text) != "kept" {
		t.Errorf("the file is %q, %v", text, err)
	}
	if _, err := Listen("unix:"+dir+"/no/such.sock", 10, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("without a directory: %v", err)
	}
	if _, err := Listen("127.0.0.1:none", 1, nil); err == nil {
		t.Error("Listen takes a port that is none")
	}
}
