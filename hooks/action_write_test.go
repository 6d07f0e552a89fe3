package hooks

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

func TestFileSteps(t *testing.T) {
	b := newBench(t, hook(`
- {name: w, write: {file: DIR/f, content: "a\nb", mode: 0640}}
- {name: again, write: {file: DIR/f, content: c}}
- {name: r, remove: DIR/f}
- {name: none, remove: DIR/f}
- {name: dir, remove: DIR/d}
- {name: full, remove: DIR/full, onFailure: continue}
- {name: nowhere, write: {file: DIR/no/f}, onFailure: continue}
- {name: kept, write: {file: DIR/kept, content: "a\nb", mode: 0640}}
`))
	os.Mkdir(b.path("d"), 0o755)
	b.script("full/x", "")
	rec := b.expect(state.Failed, "w succeeded", "again succeeded", "r succeeded", "none succeeded", "dir succeeded", "full failed", "nowhere failed", "kept succeeded")
	info, err := os.Stat(b.path("kept"))
	if err != nil || info.Mode() != 0o640 || b.read("kept") != "a\nb" {
		t.Errorf("%v, %v, %q", info.Mode(), err, b.read("kept"))
	}
	if b.exists("f") || b.exists("d") || !b.exists("full/x") {
		t.Error("removed too little or too much")
	}
	contains(t, rec.Steps[5].Error, "directory not empty")
	contains(t, rec.Steps[6].Error, "no such file or directory")
	contains(t, b.out.text(), "none: "+b.path("f")+" was not there")
}

// mount mounts a file over path, as a volume's subPath or the runtime does (/etc/hosts).
func mount(t *testing.T, path string) {
	t.Helper()
	testutil.NeedRoot(t, "mount")
	if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("no mount here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
}

// A file that is a mount is written in place, and the output says so. It cannot be
// removed, and cannot be a marker, because it always exists.
func TestFileThatIsAMount(t *testing.T) {
	b := newBench(t, hook(`
- {name: w, write: {file: DIR/mount, content: new}}
- {name: r, remove: DIR/mount, onFailure: continue}
`))
	if err := os.WriteFile(b.path("mount"), []byte("an old text"), 0o644); err != nil {
		t.Fatal(err)
	}
	mount(t, b.path("mount"))
	rec := b.expect(state.Failed, "w succeeded", "r failed")
	if got := b.read("mount"); got != "new" {
		t.Errorf("the file holds %q", got)
	}
	contains(t, b.out.text(), "w: "+b.path("mount")+" cannot be replaced (device or resource busy), so it was written in place")
	contains(t, rec.Steps[1].Error, "it is a mount, which cannot be removed")

	b = newBench(t, hook("- {name: w, write: {file: DIR/done}}\n", "marker: DIR/marker"))
	if err := os.WriteFile(b.path("marker"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	mount(t, b.path("marker"))
	rec = b.run()
	if rec.Outcome != state.Failed || b.exists("done") {
		t.Errorf("outcome %s, and the step was done: %v", rec.Outcome, b.exists("done"))
	}
	contains(t, rec.Reason, "marker: ", "it is a mount, which cannot be removed")
}

// Neither a step nor a marker replaces anything but a file.
func TestNoRegularFile(t *testing.T) {
	for _, yaml := range []string{
		hook("- {name: w, write: {file: DIR/x}}\n"),
		hook("- {name: w, sleep: 1ms}\n", "marker: DIR/x"),
	} {
		b := newBench(t, yaml)
		if err := unix.Mkfifo(b.path("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		rec := b.run()
		info, err := os.Lstat(b.path("x"))
		if rec.Outcome != state.Failed || err != nil || info.Mode().Type() != os.ModeNamedPipe {
			t.Errorf("outcome %s, and the FIFO is %v, %v", rec.Outcome, info, err)
		}
		contains(t, rec.Reason, "no regular file (prw-------)")
	}
	b := newBench(t, hook("- {name: r, remove: DIR/null}\n"))
	testutil.NeedRoot(t, "make a device")
	if err := unix.Mknod(b.path("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Skipf("no devices here: %v", err)
	}
	contains(t, b.expect(state.Failed, "r failed").Reason, "a device (Dcrw")
}

// Write and a marker follow a link, even a broken one. Remove removes the link.
func TestFileThroughALink(t *testing.T) {
	b := newBench(t, hook(`
- {name: w, write: {file: DIR/link, content: new}}
- {name: r, remove: DIR/removed}
`, "marker: DIR/marker"))
	for _, err := range []error{
		os.WriteFile(b.path("file"), []byte("old"), 0o644),
		os.Mkdir(b.path("d"), 0o755),
		os.Symlink("file", b.path("link")),
		os.Symlink("file", b.path("removed")),
		os.Symlink("d/done", b.path("marker")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.expect(state.Succeeded, "w succeeded", "r succeeded")
	_, wErr := os.Readlink(b.path("link"))
	_, mErr := os.Readlink(b.path("marker"))
	if err := errors.Join(wErr, mErr); err != nil || b.read("file") != "new" || !b.exists("d/done") || b.exists("removed") {
		t.Errorf("%v, the file holds %q, the marker is there: %v", err, b.read("file"), b.exists("d/done"))
	}
	b.Runner.Prepare(b.cfg) // of a run that succeeded
	if !b.exists("d/done") {
		t.Error("the marker of a success was removed")
	}
}
