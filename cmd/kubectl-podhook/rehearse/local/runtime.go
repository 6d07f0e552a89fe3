package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// Isolation is how containers are isolated from each other.
type Isolation string

// The values of Isolation.
const (
	Auto       Isolation = "auto"
	Namespaces Isolation = "namespaces"
	None       Isolation = "none"
)

// Options are a runtime's settings.
type Options struct {
	Isolation Isolation
	// ShareProcessNamespace lets the containers see each other's processes, and those of
	// the machine: they have no PID namespace of their own.
	ShareProcessNamespace bool
	// PodIP is the address of the pod.
	PodIP string
	// Tmpfs are directories that are empty at each start of a container. They need mount
	// namespaces.
	Tmpfs []string
	// Output gets each line that a container prints. Calls can be concurrent.
	Output func(container, line string)
}

// Runtime starts containers as local processes. It is safe for concurrent use.
type Runtime struct {
	opts   Options
	dir    string // of this pod: each instance has a directory in it
	shm    string // what the containers see as /dev/shm
	user   bool   // namespaces are made in a user namespace
	mounts bool   // each container has a mount namespace of its own
	about  string
}

var _ kubelet.Runtime = (*Runtime)(nil)

// New makes a runtime. It returns an error if Isolation asks for namespaces that cannot be
// made; auto then goes without them. Close removes its directories.
func New(opts Options) (*Runtime, error) {
	dir, err := os.MkdirTemp("", "rehearse-")
	if err != nil {
		return nil, err
	}
	r := &Runtime{opts: opts, dir: dir, user: os.Geteuid() != 0}
	if err := r.choose(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Isolation describes the isolation of containers, for people.
func (r *Runtime) Isolation() string { return r.about }

// Close removes the directories of the runtime. All containers must be dead.
func (r *Runtime) Close() error {
	return errors.Join(os.RemoveAll(r.dir), os.RemoveAll(r.shm))
}

// choose tries whether namespaces can be made.
func (r *Runtime) choose() error {
	if r.opts.Isolation == None {
		return r.without("as asked for")
	}
	err := r.try()
	switch {
	case err == nil:
		r.mounts = true
		r.about = "PID and mount namespaces"
		if r.opts.ShareProcessNamespace {
			r.about = "mount namespaces and this machine's PID namespace"
		}
		if r.user {
			r.about += " (in a user namespace)"
		}
		return nil
	case r.opts.Isolation == Namespaces:
		return fmt.Errorf("isolation namespaces: %w", err)
	}
	return r.without(err.Error())
}

func (r *Runtime) without(why string) error {
	if len(r.opts.Tmpfs) > 0 {
		return fmt.Errorf("tmpfs %s: needs isolation by namespaces (%s)", r.opts.Tmpfs[0], why)
	}
	r.about = "none (" + why + ")"
	return nil
}

func (r *Runtime) try() error {
	help, err := exec.Command("nsenter", "--help").Output()
	if err != nil {
		return fmt.Errorf("nsenter is needed to exec: %w", err)
	}
	if !strings.Contains(string(help), "--wdns") {
		return errors.New("nsenter of util-linux 2.38 or newer is needed to exec")
	}
	if r.shm, err = makeShm(); err != nil {
		return err
	}
	trial, err := r.startIsolated(kubelet.Container{Name: "trial"}, 0)
	if err != nil {
		return err
	}
	if exit := trial.Wait(); exit.Code != 0 {
		return fmt.Errorf("a namespace's first process ended with %d", exit.Code)
	}
	return nil
}

// makeShm makes the directory that the containers share as /dev/shm, on a tmpfs if there
// is one.
func makeShm() (string, error) {
	dir, err := os.MkdirTemp("/dev/shm", "rehearse-")
	if err != nil {
		dir, err = os.MkdirTemp("", "rehearse-shm-")
	}
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o777|os.ModeSticky)
}

// Start starts an instance of a container.
func (r *Runtime) Start(c kubelet.Container, number int) (kubelet.Process, error) {
	if len(c.Command) == 0 {
		return nil, fmt.Errorf("container %s: no command", c.Name)
	}
	// A nil *process in the interface would not be nil.
	start := r.startPlain
	if r.mounts {
		start = r.startIsolated
	}
	p, err := start(c, number)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// instanceDir makes a directory for one start of a container.
func (r *Runtime) instanceDir(c kubelet.Container, number int) (string, error) {
	dir := filepath.Join(r.dir, c.Name+"."+strconv.Itoa(number))
	return dir, os.MkdirAll(dir, 0o755)
}
