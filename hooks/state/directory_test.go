package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/internal/testutil"
)

// testPlaces are a container's /run and /dev/shm of the test's own.
func testPlaces(t *testing.T) places {
	t.Helper()
	base := t.TempDir()
	p := places{proc: procfs.Proc, run: filepath.Join(base, "run"), shm: filepath.Join(base, "shm")}
	if err := errors.Join(os.Mkdir(p.run, 0o755), os.Mkdir(p.shm, 0o777), os.Chmod(p.shm, 0o777|os.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	return p
}

// blockRun makes a file of p.run: nobody, not even root, can make a directory
// there.
func blockRun(t *testing.T, p places) {
	t.Helper()
	if err := errors.Join(os.Remove(p.run), os.WriteFile(p.run, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// identity is the part of a directory's name that is this container's.
func identity() string { return "podhook-" + currentInstance(procfs.Proc).Container }

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Mode()
}

func TestDirIsInRunWhereItCanBeMade(t *testing.T) {
	for _, parent := range []string{"", "podhook"} { // the second is a mount
		p := testPlaces(t)
		want := filepath.Join(p.run, parent, identity())
		if err := os.MkdirAll(filepath.Dir(want), 0o777); err != nil {
			t.Fatal(err)
		}
		s, err := open(Options{}, p)
		if err != nil {
			t.Fatal(err)
		}
		if s.Dir() != want || mode(t, want).Perm() != 0o700 {
			t.Errorf("%s with mode %v, want %s", s.Dir(), mode(t, s.Dir()), want)
		}
		if left, _ := os.ReadDir(want); len(left) != 0 {
			t.Errorf("Open left %v", left)
		}
		if left, _ := os.ReadDir(p.shm); len(left) != 0 {
			t.Errorf("shared memory got %v", left)
		}
	}
}

func TestDirFallsBackToSharedMemory(t *testing.T) {
	p := testPlaces(t)
	blockRun(t, p)
	old := unix.Umask(0o277) // would leave the owner without its bits
	t.Cleanup(func() { unix.Umask(old) })
	for range 2 { // the second one finds what the first one made
		s, err := open(Options{}, p)
		if err != nil {
			t.Fatal(err)
		}
		want := filepath.Join(p.shm, "podhook-"+s.Instance().Container)
		if s.Dir() != want || mode(t, want).Perm() != 0o700 {
			t.Errorf("%s with mode %v, want %s", s.Dir(), mode(t, s.Dir()), want)
		}
	}
}

func TestPlantedSharedDirectoryIsRefused(t *testing.T) {
	target := t.TempDir()
	plants := map[string]struct {
		plant func(path string) error
		want  string
	}{
		"link":          {func(p string) error { return os.Symlink(target, p) }, "symbolic link"},
		"dangling link": {func(p string) error { return os.Symlink(target+"/none", p) }, "symbolic link"},
		"open mode":     {func(p string) error { return errors.Join(os.Mkdir(p, 0o700), os.Chmod(p, 0o777)) }, "mode 0777"},
		"file":          {func(p string) error { return os.WriteFile(p, nil, 0o600) }, "not a directory"},
		"another user's": {func(p string) error {
			return errors.Join(os.Mkdir(p, 0o700), unix.Lchown(p, 65534, 65534))
		}, "uid 65534"},
	}
	for name, c := range plants {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "another") {
				testutil.NeedRoot(t, "give a directory away")
			}
			p := testPlaces(t)
			blockRun(t, p)
			path := filepath.Join(p.shm, identity())
			if err := c.plant(path); err != nil {
				t.Fatal(err)
			}
			_, err := open(Options{}, p)
			var dir *DirError
			if !errors.As(err, &dir) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("Open: %v, want a DirError with %q", err, c.want)
			}
			if left, _ := os.ReadDir(target); len(left) != 0 {
				t.Errorf("wrote through the link: %v", left)
			}
		})
	}
}

func TestSharedMemoryMustBeSticky(t *testing.T) {
	p := testPlaces(t)
	blockRun(t, p)
	if err := os.Chmod(p.shm, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := open(Options{}, p); err == nil || !strings.Contains(err.Error(), "sticky") {
		t.Errorf("Open: %v", err)
	}
}

func TestNoPlaceSaysWhatToMount(t *testing.T) {
	p := testPlaces(t)
	blockRun(t, p)
	if err := os.Remove(p.shm); err != nil {
		t.Fatal(err)
	}
	_, err := open(Options{}, p)
	var dir *DirError
	if !errors.As(err, &dir) || len(dir.Tries) != 3 || dir.Given {
		t.Fatalf("Open: %v", err)
	}
	text := err.Error()
	for _, want := range []string{
		filepath.Join(p.run, identity()) + ": not a directory",
		filepath.Join(p.shm, identity()) + ": no such file or directory",
		"mount an emptyDir at /run/podhook",
		"PODHOOK_STATE_DIR",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if !errors.Is(err, unix.ENOTDIR) || !errors.Is(err, unix.ENOENT) {
		t.Errorf("the causes are not to be found in %v", err)
	}
}

// A directory that fails only now must not be passed over: an earlier process
// may have used it.
func TestFullOrForeignDirIsNoReasonToGoElsewhere(t *testing.T) {
	if unusable(&fs.PathError{Err: unix.ENOSPC}) || unusable(&OwnerError{}) {
		t.Error("full or another user's counts as unusable")
	}
	if !unusable(&fs.PathError{Err: unix.EROFS}) || !unusable(&fs.PathError{Err: unix.EACCES}) {
		t.Error("read-only or not permitted does not count as unusable")
	}
}

// Errors name the directory that is in the way, which need not be the first.
func TestForeignDirIsNamed(t *testing.T) {
	testutil.NeedRoot(t, "give a directory away")
	p := testPlaces(t)
	all := p.candidates(currentInstance(procfs.Proc).Container)
	for _, dir := range all {
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chown(dir, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
		_, err := open(Options{}, p)
		if err == nil || !strings.Contains(err.Error(), dir+": it belongs to uid 65534") {
			t.Errorf("Open: %v, want that %s is another user's", err, dir)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// The directory with this instance's state in it stays the directory, whatever
// becomes of it and of the others.
func TestOnceChosenItStays(t *testing.T) {
	for n := range 3 {
		p := testPlaces(t)
		dir := p.candidates(currentInstance(procfs.Proc).Container)[n]
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			t.Fatal(err)
		}
		mountAt(t, filepath.Dir(dir), "size=64k")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		l := mustLock(t, testStore(t, Options{Dir: dir}).Hook("prestart"))
		mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded})
		if err := errors.Join(l.WriteMarker(nil), l.Unlock()); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("", filepath.Dir(dir), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		for _, o := range []Options{{}, {Dir: dir}} {
			s, err := open(o, p)
			if err != nil {
				t.Errorf("%+v: %v", o, err)
				continue
			}
			if s.Dir() != dir || mustRead(t, s.Hook("prestart")).RunID != "r1" {
				t.Errorf("%+v: %s, want %s", o, s.Dir(), dir)
			}
			if _, _, err := s.Hook("prestart").TryLock(); !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), dir) {
				t.Errorf("a lock on it: %v", err)
			}
		}
	}
}

// What an earlier instance has left in a directory does not hold the next one
// there.
func TestDirOfAnEarlierInstanceMayBeLeft(t *testing.T) {
	p := testPlaces(t)
	mountAt(t, p.run, "size=64k")
	s, err := open(Options{}, p)
	if err != nil || filepath.Dir(s.Dir()) != p.run {
		t.Fatalf("%v, %v", s, err)
	}
	s.instance.ID = "another"
	l := mustLock(t, s.Hook("prestart"))
	mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded})
	l.Unlock()
	if err := unix.Mount("", p.run, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if s, err := open(Options{}, p); err != nil || filepath.Dir(s.Dir()) != p.shm {
		t.Errorf("%v, %v, want shared memory", s, err)
	}
}

// Where no file can be made any more, what is recorded can be read all the same.
func TestInodesUsedUp(t *testing.T) {
	p := testPlaces(t)
	mountAt(t, p.run, "nr_inodes=30")
	s, err := open(Options{}, p)
	if err != nil {
		t.Fatal(err)
	}
	l := mustLock(t, s.Hook("prestart"))
	mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded})
	l.Unlock()
	for n := 0; ; n++ {
		f, err := os.Create(filepath.Join(p.run, fmt.Sprint(n)))
		if err != nil {
			break
		}
		f.Close()
	}
	for _, o := range []Options{{}, {Dir: s.Dir()}} {
		again, err := open(o, p)
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		if again.Dir() != s.Dir() || mustRead(t, again.Hook("prestart")).RunID != "r1" {
			t.Errorf("%+v: %s, want %s", o, again.Dir(), s.Dir())
		}
		// The lock's file is there already.
		if l, ok, err := again.Hook("prestart").TryLock(); !ok {
			t.Errorf("a lock on it: %v", err)
		} else {
			l.Unlock()
		}
	}
	// One in which nothing is recorded yet is no other place to go from, either.
	if err := os.RemoveAll(filepath.Join(s.Dir(), "hooks")); err != nil {
		t.Fatal(err)
	}
	for n := 100; ; n++ {
		f, err := os.Create(filepath.Join(p.run, fmt.Sprint(n)))
		if err != nil {
			break
		}
		f.Close()
	}
	if again, err := open(Options{}, p); err != nil || again.Dir() != s.Dir() {
		t.Errorf("%v, %v, want %s", again, err, s.Dir())
	}
}

func TestGivenDirIsUsedOrAnError(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		"relative/dir":                  "absolute path",
		file:                            "not a directory",
		filepath.Join(file, "below"):    "not a directory",
		"/proc/self/podhook":            "no such file",
		filepath.Join(base, "nul\x00x"): "invalid argument",
	} {
		_, err := Open(Options{Dir: dir})
		var de *DirError
		if !errors.As(err, &de) || !de.Given || len(de.Tries) != 1 {
			t.Errorf("%q: %v, want a DirError of one try", dir, err)
			continue
		}
		if text := err.Error(); !strings.Contains(text, want) || !strings.Contains(text, "PODHOOK_STATE_DIR") || !strings.Contains(text, dir) {
			t.Errorf("%q: %q lacks %q", dir, text, want)
		}
	}
	deep := filepath.Join(base, "a/b/c")
	s, err := Open(Options{Dir: deep + "/"})
	if err != nil || s.Dir() != deep || mode(t, deep).Perm() != 0o700 {
		t.Errorf("%v, %v", s, err)
	}
	loose := filepath.Join(base, "volume") // as an emptyDir
	if err := errors.Join(os.Mkdir(loose, 0o700), os.Chmod(loose, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: loose}); err != nil || mode(t, loose).Perm() != 0o777 {
		t.Errorf("%v, mode %v", err, mode(t, loose))
	}
}

func TestReadOnlyDirIsFoundAtOpen(t *testing.T) {
	dir := mountTmpfs(t, "size=64k")
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Options{Dir: dir})
	if !errors.Is(err, unix.EROFS) {
		t.Errorf("Open: %v, want read-only file system", err)
	}
	p := testPlaces(t)
	p.run = dir
	s, err := open(Options{}, p)
	if err != nil || filepath.Dir(s.Dir()) != p.shm {
		t.Errorf("with nothing given: %v, %v, want shared memory", s, err)
	}
}

// mountTmpfs mounts a file system of the test's own.
func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	mountAt(t, dir, options)
	return dir
}

func mountAt(t *testing.T, dir, options string) {
	t.Helper()
	testutil.NeedRoot(t, "mount")
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("tmpfs cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// fill leaves no byte in a file system.
func fill(t *testing.T, dir string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "ballast")
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return file
}

func TestFullDisk(t *testing.T) {
	dir := mountTmpfs(t, "size=256k,mode=700")
	s := testStore(t, Options{Dir: dir})
	h := s.Hook("prestart")
	l := mustLock(t, h)
	defer l.Unlock()
	mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded})
	if err := errors.Join(l.WriteMarker(nil), s.SaveConfig([]byte("a"), "x"), s.Check()); err != nil {
		t.Fatal(err)
	}
	w, err := l.Output("r1")
	if err != nil {
		t.Fatal(err)
	}
	mustLine(t, w, "first")
	ballast := fill(t, dir)

	// What is there can still be read, and nothing of it is lost.
	again, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	// It begins in the page of the line before and then finds no other.
	long := strings.Repeat("x", 6000)
	last := 1
	fillUp := func() (err error) {
		for ; err == nil; last++ {
			err = l.Write(Record{RunID: fmt.Sprint("r", last+1), Outcome: Running})
		}
		last--
		return err
	}
	full := map[string]error{
		"Check":           again.Check(),
		"Write":           fillUp(),
		"WriteMarker":     l.WriteMarker([]byte("x")),
		"Reserve":         l.Reserve(),
		"SaveConfig":      s.SaveConfig([]byte("b"), "x"),
		"WriteLine":       w.WriteLine(testTime, "a", "stdout", []byte(long), 0),
		"WriteFileAtomic": WriteFileAtomic(filepath.Join(dir, "done"), []byte("x"), 0o644),
	}
	for what, err := range full {
		var fe *FullError
		if !errors.As(err, &fe) || !errors.Is(err, unix.ENOSPC) {
			t.Errorf("%s: %v, want a FullError", what, err)
		} else if !strings.Contains(err.Error(), "no space left") || !strings.Contains(err.Error(), "free space there") {
			t.Errorf("%s: %q does not say what to do", what, err)
		}
	}
	if r := mustRead(t, again.Hook("prestart")); r.RunID != fmt.Sprint("r", last) {
		t.Errorf("record of run %q, want r%d", r.RunID, last)
	}
	if text, _, ok, err := s.LastConfig(); string(text) != "a" || !ok || err != nil {
		t.Errorf("configuration: %q, %v, %v", text, ok, err)
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "*tmp*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, l, Record{RunID: "last", Outcome: Succeeded})
	if err := w.WriteLine(testTime, "a", "stdout", []byte("kept"), 0); err != nil {
		t.Fatal(err)
	}
	lost := len(keptLine("a", "stdout", long))
	want := fmt.Sprintf("%s[%d bytes omitted]\n%s", keptLine("step", "stdout", "first"), lost, keptLine("a", "stdout", "kept"))
	if err := os.Remove(filepath.Join(h.dir, "run.json")); err != nil {
		t.Fatal(err)
	}
	if got := readOutput(t, h); got != want {
		t.Errorf("output %q, want %q", got, want)
	}
}
