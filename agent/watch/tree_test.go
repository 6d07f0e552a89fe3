package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

const debounce = 50 * time.Millisecond

// place is a directory with files that are watched.
type place struct {
	t   *testing.T
	dir string
}

func (p place) path(name string) string { return filepath.Join(p.dir, name) }

func (p place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p place) write(name, text string) {
	p.t.Helper()
	p.must(os.MkdirAll(filepath.Dir(p.path(name)), 0o755))
	p.must(os.WriteFile(p.path(name), []byte(text), 0o644))
}

// link replaces a link, as ln -sfn and mv -T do.
func (p place) link(target, name string) {
	p.t.Helper()
	p.must(os.MkdirAll(filepath.Dir(p.path(name)), 0o755))
	p.must(os.Symlink(target, p.path(name)+".new"))
	p.must(os.Rename(p.path(name)+".new", p.path(name)))
}

// project writes a volume as kubelet does.
func (p place) project(volume string, files map[string]string) {
	p.t.Helper()
	testutil.Project(p.t, p.path(volume), files)
}

// inotifies opens a Notifier that must not have to poll.
func inotifies(t *testing.T) *Notifier {
	t.Helper()
	n := Open(func(err error) { t.Errorf("it polls: %v", err) })
	t.Cleanup(n.Close)
	return n
}

// polls opens a Notifier where no instance is left.
func polls(t *testing.T) *Notifier {
	t.Helper()
	var why error
	n := open(func(err error) { why = err }, func(int) (int, error) { return -1, unix.EMFILE }, 20*time.Millisecond)
	t.Cleanup(n.Close)
	if !errors.Is(why, unix.EMFILE) {
		t.Errorf("it says %v", why)
	}
	return n
}

// changes waits for the tree's next change.
func changes(t *testing.T, tree *Tree) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testutil.Patience)
	defer cancel()
	if !tree.Next(ctx) {
		t.Fatalf("no change is seen within %v", testutil.Patience)
	}
}

// stays checks that the tree tells of no change for a while.
func stays(t *testing.T, tree *Tree) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*debounce)
	defer cancel()
	if tree.Next(ctx) {
		t.Error("a change is seen")
	}
}

func TestChanges(t *testing.T) {
	type row struct {
		watch string
		made  func(place)
		// changes are seen one by one, each after the one before was.
		changes []func(place)
	}
	write := func(name, text string) func(place) { return func(p place) { p.write(name, text) } }
	for name, r := range map[string]row{
		"written in place": {"f", write("f", "1"), []func(place){write("f", "2"), write("f", "3")}},
		"renamed over": {"f", write("f", "1"), []func(place){
			func(p place) { p.write("new", "2"); p.must(os.Rename(p.path("new"), p.path("f"))) },
			func(p place) { p.write("new", "3"); p.must(os.Rename(p.path("new"), p.path("f"))) },
			write("f", "4")}},
		"removed and made": {"f", write("f", "1"), []func(place){
			func(p place) { p.must(os.Remove(p.path("f"))) }, write("f", "1")}},
		"unreadable for others": {"f", write("f", "1"), []func(place){func(p place) { p.must(os.Chmod(p.path("f"), 0o600)) }}},
		"appears later": {"a/b/f", func(place) {}, []func(place){
			func(p place) { p.must(os.Mkdir(p.path("a"), 0o755)); p.write("a/b/f", "1") }, write("a/b/f", "2")}},
		"below a directory": {"etc", write("etc/conf.d/a", "1"), []func(place){
			write("etc/conf.d/a", "2"), write("etc/conf.d/b", ""), write("etc/more/deep/c", "1"), write("etc/more/deep/c", "2"),
			func(p place) { p.must(os.RemoveAll(p.path("etc/more"))) }}},
		"directory replaced": {"etc", write("etc/a", "1"), []func(place){func(p place) {
			p.write("new/a", "2")
			p.must(os.Rename(p.path("etc"), p.path("old")))
			p.must(os.Rename(p.path("new"), p.path("etc")))
		}, write("etc/a", "3")}},
		"link to a release": {"current/conf/f", func(p place) {
			p.write("1/conf/f", "1")
			p.write("2/conf/f", "2")
			p.link("1", "current")
		}, []func(place){func(p place) { p.link(p.path("2"), "current") }, write("2/conf/f", "3")}},
		"link from a watched directory": {"etc", func(p place) {
			p.write("f", "1")
			p.link("../f", "etc/f")
		}, []func(place){write("f", "2"), func(p place) { p.write("g", "3"); p.link("../g", "f") }}},
		"ConfigMap": {"etc", func(p place) { p.project("etc", map[string]string{"nginx.conf": "1"}) }, []func(place){
			func(p place) { p.project("etc", map[string]string{"nginx.conf": "2"}) },
			func(p place) { p.project("etc", map[string]string{"nginx.conf": "2", "conf.d/a": "1"}) },
			func(p place) { p.project("etc", map[string]string{"nginx.conf": "2", "conf.d/a": "2"}) }}},
		"Secret's file": {"tls/tls.crt", func(p place) { p.project("tls", map[string]string{"tls.crt": "1", "tls.key": "1"}) }, []func(place){
			func(p place) { p.project("tls", map[string]string{"tls.crt": "2", "tls.key": "1"}) },
			func(p place) { p.project("tls", map[string]string{"tls.crt": "3", "tls.key": "1"}) }}},
		"optional ConfigMap that appears": {"etc/nginx.conf", func(p place) { p.must(os.Mkdir(p.path("etc"), 0o755)) }, []func(place){
			func(p place) { p.project("etc", map[string]string{"nginx.conf": "1"}) },
			func(p place) { p.project("etc", map[string]string{"nginx.conf": "2"}) }}},
		"larger than what is read": {"f", func(p place) { p.write("f", strings.Repeat("x", mostBytes+1)) }, []func(place){
			func(p place) { p.write("f", strings.Repeat("x", mostBytes)+"y") }}},
	} {
		for by, open := range map[string]func(*testing.T) *Notifier{"inotify": inotifies, "polling": polls} {
			t.Run(name+" by "+by, func(t *testing.T) {
				t.Parallel()
				p := place{t, t.TempDir()}
				r.made(p)
				tree := open(t).NewTree([]string{p.path(r.watch)}, "", debounce, nil)
				defer tree.Close()
				for _, change := range r.changes {
					change(p)
					changes(t, tree)
				}
				stays(t, tree)
			})
		}
	}
}

// What does not change the content is no change.
func TestSameContent(t *testing.T) {
	p := place{t, t.TempDir()}
	files := map[string]string{"nginx.conf": "1", "conf.d/a": "1"}
	p.project("etc", files)
	p.write("f", "1")
	p.write("dir/state/record", "1")
	tree := inotifies(t).NewTree([]string{p.path("etc"), p.path("f"), p.path("dir")}, p.path("dir/state"), debounce, nil)
	defer tree.Close()
	for name, change := range map[string]func(){
		"touched":             func() { p.must(os.Chtimes(p.path("f"), time.Now(), time.Unix(1, 0))) },
		"the same is written": func() { p.write("f", "1") },
		"the same is projected": func() {
			p.project("etc", files)
		},
		"a neighbour":        func() { p.write("g", "1") },
		"the directory left": func() { p.write("dir/state/record", "2") },
	} {
		change()
		if tree.look() != tree.known {
			t.Errorf("%s: that is another content", name)
		}
	}
	stays(t, tree)
}

// Changes that follow each other within debounce are one, and what is written meanwhile is
// waited for.
func TestDebounce(t *testing.T) {
	p := place{t, t.TempDir()}
	p.write("f", "1")
	const long = 400 * time.Millisecond
	tree := inotifies(t).NewTree([]string{p.path("f")}, "", long, nil)
	defer tree.Close()
	began := time.Now()
	p.write("f", "2")
	p.write("f", "3")
	changes(t, tree)
	testutil.Within(t, time.Since(began), long, 20*long)
	stays(t, tree)
	p.write("f", "4")
	p.write("f", "3")
	ctx, cancel := context.WithTimeout(t.Context(), 3*long)
	defer cancel()
	if tree.Next(ctx) {
		t.Error("what was changed and changed back is a change")
	}
}

// A link to a directory above, and directories that hold more than is watched, end.
func TestBounds(t *testing.T) {
	p := place{t, t.TempDir()}
	p.link("..", "etc/up")
	p.link("loop", "etc/loop")
	n := inotifies(t)
	tree := n.NewTree([]string{p.path("etc")}, "", debounce, func() { t.Error("too many files") })
	p.write("etc/a", "1")
	changes(t, tree)
	tree.Close()
	for i := range mostFiles {
		p.must(os.Link(p.path("etc/a"), p.path(fmt.Sprint("etc/", i))))
	}
	told := 0
	tree = n.NewTree([]string{p.path("etc")}, "", debounce, func() { told++ })
	defer tree.Close()
	tree.look()
	if told != 1 {
		t.Errorf("too many files: told %d times", told)
	}
}

// watches is how many watches the kernel holds: proc_pid_fdinfo(5).
func (n *Notifier) watches(t *testing.T) (count int) {
	t.Helper()
	err := onFile(n.file, func(fd int) error {
		text, err := os.ReadFile(fmt.Sprint("/proc/self/fdinfo/", fd))
		count = strings.Count(string(text), "inotify wd:")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// Watches of what is not needed any more are removed, and those that another Tree needs stay.
func TestWatchesAreRemoved(t *testing.T) {
	p := place{t, t.TempDir()}
	p.write("0/f", "x")
	p.link("0", "current")
	n := inotifies(t)
	tree := n.NewTree([]string{p.path("current")}, "", debounce, nil)
	other := n.NewTree([]string{p.path("0")}, "", debounce, nil)
	defer other.Close()
	before := n.watches(t)
	for i := range 20 {
		p.write(fmt.Sprint(i+1, "/f"), fmt.Sprint(i))
		p.link(fmt.Sprint(i+1), "current")
		changes(t, tree)
	}
	if after := n.watches(t); after > before+2 {
		t.Errorf("%d watches came to be %d", before, after)
	}
	tree.Close()
	p.write("0/f", "y")
	changes(t, other)
}

// Where the kernel has no watch left, the Notifier begins to poll, once and for all.
func TestNoWatchLeft(t *testing.T) {
	p := place{t, t.TempDir()}
	p.write("f", "1")
	var told []error
	// A pipe is no inotify instance: EINVAL, as ENOSPC, is none of the errors of a path.
	n := open(func(err error) { told = append(told, err) }, func(int) (int, error) {
		var fds [2]int
		err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC)
		t.Cleanup(func() { _ = unix.Close(fds[1]) })
		return fds[0], err
	}, 20*time.Millisecond)
	t.Cleanup(n.Close)
	tree := n.NewTree([]string{p.path("f")}, "", debounce, nil)
	defer tree.Close()
	if len(told) != 1 || !errors.Is(told[0], unix.EINVAL) {
		t.Errorf("it says %v", told)
	}
	p.write("f", "2")
	changes(t, tree)
}

// The end of ctx ends the waiting, whatever it is for.
func TestNextEnds(t *testing.T) {
	p := place{t, t.TempDir()}
	p.write("f", "1")
	tree := inotifies(t).NewTree([]string{p.path("f")}, "", time.Minute, nil)
	defer tree.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p.write("f", "2")
	began := time.Now()
	if tree.Next(ctx) {
		t.Error("a change is told before debounce")
	}
	testutil.Within(t, time.Since(began), 90*time.Millisecond, 20*time.Second)
}
