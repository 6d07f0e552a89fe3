package userfile

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

func TestTarget(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	socket, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, err := range []error{
		os.MkdirAll(at("deep/er"), 0o755),
		os.WriteFile(at("file"), nil, 0o644),
		os.Symlink(at("deep/er"), at("dir")),
		os.Symlink("file", at("link")),
		os.Symlink("link", at("second")),
		os.Symlink(at("nothing"), at("dangling")),
		os.Symlink("../beside", at("deep/er/up")),
		os.Symlink("circle", at("circle")),
		os.Symlink("/dev/null", at("null")),
		unix.Mkfifo(at("fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"file": at("file"), "link": at("file"), "second": at("file"), "new": at("new"), "no/dir": at("no/dir"), "file/x": at("file/x"),
		"dangling": at("nothing"), "dir/up": dir + "/dir/../beside", // which is deep/beside
	} {
		if got, err := Target(at(path)); got != want || err != nil {
			t.Errorf("%s leads to %q, %v, want %q", path, got, err, want)
		}
	}
	for path, want := range map[string]string{
		at("deep"): "no regular file (drwx", at("dir"): "no regular file (drwx", at("null"): "write /dev/null: no regular file (Dcrw-rw-rw-)",
		"/dev/null": "no regular file (Dcrw", at("fifo"): "no regular file (prw", at("socket"): "no regular file (Srwx",
		at("circle"): "too many levels of symbolic links",
	} {
		var pathErr *os.PathError
		if got, err := Target(path); !errors.As(err, &pathErr) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s leads to %q, %v, want an error with %q", path, got, err, want)
		}
	}
}

// TestLinkOfAnother: the maker of a link must not choose which file root writes.
func TestLinkOfAnother(t *testing.T) {
	testutil.NeedRoot(t, "make a link for another user")
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Symlink("/etc/target", link), os.Lchown(link, 54321, 54321)); err != nil {
		t.Fatal(err)
	}
	if got, err := Target(link); err == nil || !strings.Contains(err.Error(), "a link that user 54321 made") {
		t.Errorf("it leads to %q, %v", got, err)
	}
}

func TestOverwrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("a long old text"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Overwrite(path, []byte("new"), 0o640); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) || after.Mode() != 0o640 {
		t.Errorf("the file is %v, %v; it must be the same one", after.Mode(), err)
	}
	if text, _ := os.ReadFile(path); string(text) != "new" {
		t.Errorf("it holds %q", text)
	}
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	if err := errors.Join(unix.Mkfifo(fifo, 0o600), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, link, "/dev/null", dir, filepath.Join(dir, "none")} {
		if err := Overwrite(path, []byte("x"), 0o600); err == nil {
			t.Errorf("%s was written", path)
		}
	}
}
