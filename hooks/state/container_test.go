package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/hooks/procfs"
	"github.com/podhook/podhook/internal/testutil"
)

// opened is what a process in a container found.
type opened struct {
	Dir      string
	Instance Instance
	Err      string
	UID      uint32 // of the owner, where another one is in the way
}

// childOpen opens the state as user uid, with nothing configured.
func childOpen(uid string) error {
	n, err := strconv.Atoi(uid)
	if err != nil {
		return err
	}
	if n != 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(n), syscall.Setuid(n)); err != nil {
			return err
		}
	}
	var o opened
	s, err := Open(Options{})
	if err != nil {
		o.Err = err.Error()
		var owner *OwnerError
		if errors.As(err, &owner) {
			o.UID = owner.UID
		}
	} else {
		o.Dir, o.Instance = s.Dir(), s.Instance()
	}
	return json.NewEncoder(os.Stdout).Encode(o)
}

// pod makes containers of real mount and PID namespaces: a root of its own (an
// overlay), shared memory that is the pod's, and the termination log mounted
// from where kubelet keeps it.
type pod struct {
	base, shm string
}

func newPod(t *testing.T) *pod {
	t.Helper()
	testutil.NeedRoot(t, "make a mount namespace")
	p := &pod{base: t.TempDir()}
	p.shm = filepath.Join(p.base, "shm")
	if err := errors.Join(os.Mkdir(p.shm, 0o777), os.Chmod(p.shm, 0o777|os.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	return p
}

// kind is what a container of the pod is like.
type kind struct {
	name     string
	ownPIDs  bool // else PID 1 is the machine's, as with hostPID
	readOnly bool
	kubelet  bool // has a termination log
	// volume is mounted at /run, as an emptyDir.
	volume string
}

const containerScript = `set -e
dir=$1 termination=$2 exe=$3 shm=$4 mode=$5 volume=$6
mkdir -p "$dir/layer" "$dir/root"
mount -t tmpfs tmpfs "$dir/layer"
mkdir "$dir/layer/up" "$dir/layer/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/layer/up,workdir=$dir/layer/work" "$dir/root"
cp "$exe" "$dir/root/state.test"
chmod 755 "$dir/root/state.test"
mkdir -p "$dir/root/dev" "$dir/root/proc" "$dir/root/run"
rm -rf "$dir"/root/run/podhook*
mount -t proc proc "$dir/root/proc"
mount -t tmpfs tmpfs "$dir/root/dev"
mkdir "$dir/root/dev/shm"
mount --bind "$shm" "$dir/root/dev/shm"
if [ -n "$termination" ]; then
	touch "$dir/root/dev/termination-log"
	mount --bind "$termination" "$dir/root/dev/termination-log"
fi
mount -o "remount,bind,$mode" "$dir/root"
[ -z "$volume" ] || mount --bind "$volume" "$dir/root/run"
echo ready
exec chroot "$dir/root" /bin/sleep 60
`

// container is one start of a container.
type container struct {
	pid     int // of its first process, in the test's PID namespace
	ownPIDs bool
	run     *running
}

func (p *pod) start(t *testing.T, k kind) *container {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(p.base, k.name)
	termination := ""
	if k.kubelet {
		// kubelet makes a new file for every start.
		d := filepath.Join(p.base, "kubelet/pods/uid-1/containers", k.name)
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.CreateTemp(d, "")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		termination = f.Name()
	}
	args := []string{"--mount"}
	if k.ownPIDs {
		args = append(args, "--pid", "--fork", "--kill-child")
	}
	mode := "rw"
	if k.readOnly {
		mode = "ro"
	}
	args = append(args, "sh", "-c", containerScript, "sh", dir, termination, exe, p.shm, mode, k.volume)
	cmd := exec.CommandContext(t.Context(), "unshare", args...)
	cmd.Stderr = os.Stderr
	c := &container{ownPIDs: k.ownPIDs, run: start(t, cmd)}
	c.run.expect(t, "ready")
	c.pid = cmd.Process.Pid
	if k.ownPIDs {
		c.pid = onlyChild(t, c.pid)
	}
	testutil.Eventually(t, "sleep runs in the container", func() bool {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", c.pid))
		return strings.TrimSpace(string(comm)) == "sleep"
	})
	return c
}

func onlyChild(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return child
}

// open is an exec into the container, as kubelet's.
func (c *container) open(t *testing.T, uid int) opened {
	t.Helper()
	args := []string{"-t", strconv.Itoa(c.pid), "-m", "-r", "-w"}
	if c.ownPIDs {
		args = append(args, "-p")
	}
	args = append(args, "/state.test", strconv.Itoa(uid))
	cmd := exec.CommandContext(t.Context(), "nsenter", args...)
	cmd.Env = childEnviron("open")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("exec in the container: %v: %s", err, stderr.Bytes())
	}
	var o opened
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return o
}

func (c *container) stop() { c.run.kill() }

func TestInstanceOfAContainer(t *testing.T) {
	host := currentInstance(procfs.Proc)
	for _, own := range []bool{true, false} {
		t.Run(fmt.Sprintf("ownPIDs=%v", own), func(t *testing.T) {
			p := newPod(t)
			k := kind{name: "app", ownPIDs: own}
			first := p.start(t, k)
			a := first.open(t, 0)
			if a.Err != "" || len(a.Instance.ID) != 16 {
				t.Fatalf("instance %+v, error %q", a.Instance, a.Err)
			}
			if a.Instance.ID == host.ID {
				t.Error("the container's instance is the machine's")
			}
			if b := first.open(t, 0); b.Instance.ID != a.Instance.ID {
				t.Error("two execs see different instances")
			}
			other := p.start(t, kind{name: "other", ownPIDs: own}).open(t, 0)
			if other.Instance.ID == a.Instance.ID || other.Instance.Container == a.Instance.Container {
				t.Error("two containers see the same instance or identity")
			}
			first.stop()
			again := p.start(t, k).open(t, 0)
			if again.Instance.ID == a.Instance.ID {
				t.Error("a restart is the same instance")
			}
			if again.Instance.Container != a.Instance.Container {
				t.Error("a restart is another container")
			}
			if now := currentInstance(procfs.Proc); now.ID != host.ID {
				t.Error("the machine's instance has changed")
			}
		})
	}
}

func TestInstanceIsTheSameForEveryUser(t *testing.T) {
	for _, own := range []bool{true, false} {
		p := newPod(t)
		c := p.start(t, kind{name: "app", ownPIDs: own, readOnly: true})
		nobody := c.open(t, 65534)
		if nobody.Err != "" {
			t.Fatal(nobody.Err)
		}
		// Root comes to the same instance, and is told whose the state is.
		if root := c.open(t, 0); root.UID != 65534 {
			t.Errorf("root beside uid 65534: %+v", root)
		}
		if err := os.RemoveAll(filepath.Join(p.shm, filepath.Base(nobody.Dir))); err != nil {
			t.Fatal(err)
		}
		if root := c.open(t, 0); root.Instance.ID != nobody.Instance.ID || root.Err != "" {
			t.Errorf("root sees %+v, nobody %+v", root, nobody)
		}
	}
}

// deploy/kubernetes/kubelet.md, "Inside a restricted container".
func TestRestrictedPodNeedsNoVolume(t *testing.T) {
	p := newPod(t)
	app := kind{name: "app", ownPIDs: true, readOnly: true, kubelet: true}
	side := kind{name: "side", ownPIDs: true, readOnly: true, kubelet: true}
	first := p.start(t, app)
	a, b := first.open(t, 1000), p.start(t, side).open(t, 1000)
	for _, o := range []opened{a, b} {
		if o.Err != "" || !strings.HasPrefix(o.Dir, "/dev/shm/podhook-") {
			t.Fatalf("state at %q, error %q", o.Dir, o.Err)
		}
	}
	if a.Dir == b.Dir {
		t.Errorf("two containers of a pod share %s", a.Dir)
	}
	st, err := os.Stat(filepath.Join(p.shm, filepath.Base(a.Dir)))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v, %v, want mode 0700", a.Dir, st, err)
	}
	first.stop()
	again := p.start(t, app).open(t, 1000)
	if again.Dir != a.Dir {
		t.Errorf("after a restart %s, before %s", again.Dir, a.Dir)
	}
	if again.Instance.ID == a.Instance.ID {
		t.Error("a restart is the same instance")
	}
}

func TestWritableRootUsesRun(t *testing.T) {
	p := newPod(t)
	c := p.start(t, kind{name: "app", ownPIDs: true, kubelet: true})
	if o := c.open(t, 0); !strings.HasPrefix(o.Dir, "/run/podhook-") {
		t.Fatalf("state at %q, error %q", o.Dir, o.Err)
	}
	// Another user may not write there, and must not come to a second place.
	if o := c.open(t, 1000); o.Err == "" || !strings.Contains(o.Err, "uid 0") {
		t.Errorf("uid 1000 beside root: %+v", o)
	}
}

func TestRootDoesNotStartASecondState(t *testing.T) {
	p := newPod(t)
	c := p.start(t, kind{name: "app", ownPIDs: true, kubelet: true})
	first := c.open(t, 1000)
	if !strings.HasPrefix(first.Dir, "/dev/shm/podhook-") {
		t.Fatalf("state of uid 1000 at %q, error %q", first.Dir, first.Err)
	}
	// Root could make one in /run, and every hook would run twice.
	if o := c.open(t, 0); o.Dir != "" || o.UID != 1000 {
		t.Errorf("root beside uid 1000: %+v", o)
	}
}

// Containers that share an emptyDir at /run do not share what is in it.
func TestContainersThatShareRun(t *testing.T) {
	p := newPod(t)
	volume := filepath.Join(p.base, "volume")
	if err := errors.Join(os.Mkdir(volume, 0o700), os.Chmod(volume, 0o777)); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, uid := range []int{0, 0, 1000, 2000} {
		k := kind{name: fmt.Sprintf("c%d", i), ownPIDs: true, kubelet: true, volume: volume}
		o := p.start(t, k).open(t, uid)
		if !strings.HasPrefix(o.Dir, "/run/podhook-") || seen[o.Dir] {
			t.Errorf("state of uid %d at %q, error %q", uid, o.Dir, o.Err)
		}
		seen[o.Dir] = true
	}
}

func TestPodContainer(t *testing.T) {
	for root, want := range map[string]string{
		"/var/lib/kubelet/pods/u-1/containers/app/0a1b2c3d":   "u-1/app",
		"/lib/kubelet/pods/u-1/containers/app/ffffffff":       "u-1/app",
		"/pods/u-1/containers/app/ffffffff":                   "u-1/app",
		"/var/lib/kubelet/pods/u-1/etc-hosts":                 "",
		"/var/lib/kubelet/pods/u-1/containers/app":            "",
		"/var/lib/kubelet/pods/u-1/containers/app/x/y":        "",
		"/var/lib/kubelet/pods//containers/app/x":             "",
		"/var/lib/kubelet/pods/u-1/volume-subpaths/v/app/0":   "",
		"/var/lib/kubelet/pods/u-1/volumes/containers/app/xx": "",
		"/": "",
		"":  "",
	} {
		if got := podContainer(root); got != want {
			t.Errorf("podContainer(%q) = %q, want %q", root, got, want)
		}
	}
}

func TestContainerIdentity(t *testing.T) {
	const (
		overlayA = "600 500 0:50 / / ro,relatime master:1 - overlay overlay rw,lowerdir=/l,upperdir=/var/snap/1/fs,workdir=/w\n"
		overlayB = "600 500 0:50 / / ro,relatime - overlay overlay rw,lowerdir=/l,upperdir=/var/snap/2/fs,workdir=/w\n"
		logA1    = "700 600 8:1 /var/lib/kubelet/pods/u/containers/app/11111111 /dev/termination-log rw - ext4 /dev/sda1 rw\n"
		logA2    = "700 600 8:1 /var/lib/kubelet/pods/u/containers/app/22222222 /dev/termination-log rw - ext4 /dev/sda1 rw\n"
		logB     = "700 600 8:1 /var/lib/kubelet/pods/u/containers/side/33333333 /dev/termination-log rw - ext4 /dev/sda1 rw\n"
		plain    = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		other    = "22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n"
		noSuper  = "22 1 0:9 / / rw,relatime - 9p none\n"
	)
	// Docker with fuse-overlayfs: the device numbers come again.
	fuse := func(id, dev string) string {
		return "112 88 " + dev + " / / rw - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0\n" +
			"118 117 0:29 /docker/" + id + " /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n" +
			"118 117 0:29 /docker/" + id + " /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n"
	}
	idA, idB := strings.Repeat("0a1b", 16), strings.Repeat("0a1c", 16)
	const hostGroup = "39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
	p := fakeProc{t, t.TempDir()}
	identity := func(text string) string {
		p.process("self", "", text)
		return containerIdentity(p.fs())
	}
	same := [][2]string{{overlayA + logA1, overlayB + logA2}, {fuse(idA, "0:41"), fuse(idA, "0:50")}, {plain, plain + hostGroup}, {overlayA, strings.Replace(overlayA, "master:1 ", "", 1)}}
	for _, s := range same {
		if identity(s[0]) != identity(s[1]) {
			t.Errorf("different: %q and %q", s[0], s[1])
		}
	}
	seen := map[string]string{}
	for _, text := range []string{overlayA + logA1, overlayA + logB, overlayA, overlayB, plain, other, noSuper, fuse(idA, "0:41"), fuse(idB, "0:41"), fuse(idA[1:], "0:41")} {
		id := identity(text)
		if len(id) != 16 || seen[id] != "" {
			t.Errorf("%q: identity %q, also of %q", text, id, seen[id])
		}
		seen[id] = text
	}
	if id := identity("nonsense\n\n"); id != "" {
		t.Errorf("identity of nonsense: %q", id)
	}
	if id := containerIdentity(procfs.FS(t.TempDir())); id != "" {
		t.Errorf("identity without mountinfo: %q", id)
	}
}
