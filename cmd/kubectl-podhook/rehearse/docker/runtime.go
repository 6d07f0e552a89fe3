package docker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// Options are a runtime's settings.
type Options struct {
	// Image is the image of containers that name none.
	Image string
	// PauseImage has /podhook. As the init of the pause container it reaps the orphans of a
	// shared PID namespace.
	PauseImage string
	// Network is the network of the pod, or empty for the default of the engine.
	Network string
	// ShareProcessNamespace lets the containers see each other's processes.
	ShareProcessNamespace bool
	// Args are further arguments of `docker create` by the name of the container; those of
	// "" are for all containers.
	Args map[string][]string
	// Output gets each line that a container prints. Calls can be concurrent.
	Output func(container, line string)
}

// Runtime starts the containers of one pod. It is safe for concurrent use.
type Runtime struct {
	opts    Options
	uid     string // of the pod
	dir     string // for the termination logs
	pause   string // the pause container's ID
	address string

	mu      sync.Mutex
	created []string // IDs of all containers
}

var _ kubelet.Runtime = (*Runtime)(nil)

// New starts the pause container of the pod. Close removes all that the runtime has made.
func New(opts Options) (*Runtime, error) {
	dir, err := os.MkdirTemp("", "rehearse-")
	if err != nil {
		return nil, err
	}
	r := &Runtime{opts: opts, uid: strings.ToLower(rand.Text())[:12], dir: dir}
	if err := r.startPause(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Runtime) startPause() error {
	args := []string{"--ipc", "shareable", "--read-only"}
	if r.opts.Network != "" {
		args = append(args, "--network", r.opts.Network)
	}
	args = append(args, "--entrypoint", "/podhook", r.opts.PauseImage, "run", "--", "/podhook", "sleep", "24h")
	var err error
	if r.pause, err = r.create("pause", args); err != nil {
		return err
	}
	if _, err := run("start", r.pause); err != nil {
		return err
	}
	r.address, err = run("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", r.pause)
	if err == nil && r.address == "" {
		err = errors.New("the pause container has no address: it has ended, or the network gives it none")
	}
	return err
}

// Isolation describes the isolation of containers, for people.
func (r *Runtime) Isolation() string {
	about := "Docker containers behind " + r.address
	if r.opts.ShareProcessNamespace {
		about += " with one PID namespace"
	}
	return about
}

// Address is the pod's address.
func (r *Runtime) Address() string { return r.address }

// Close removes all containers, dead or alive, with their anonymous volumes.
func (r *Runtime) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if len(r.created) > 0 {
		slices.Reverse(r.created) // pause last
		_, err = run(append([]string{"rm", "--force", "--volumes"}, r.created...)...)
		r.created = nil
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// Start creates and starts a new container on the volumes of the pod, as kubelet does at
// each restart.
func (r *Runtime) Start(c kubelet.Container, number int) (kubelet.Process, error) {
	image := c.Image
	if image == "" {
		image = r.opts.Image
	}
	if image == "" {
		return nil, fmt.Errorf("container %s: no image", c.Name)
	}
	p := &process{runtime: r, spec: c, dead: make(chan struct{}), printed: make(chan struct{})}
	args := []string{"--network", "container:" + r.pause, "--ipc", "container:" + r.pause}
	if r.opts.ShareProcessNamespace {
		args = append(args, "--pid", "container:"+r.pause)
	}
	mount, err := r.terminationLog(p, number)
	if err != nil {
		return nil, err
	}
	args = slices.Concat(args, mount, r.opts.Args[""], r.opts.Args[c.Name])
	for _, e := range c.Env {
		args = append(args, "--env", e)
	}
	if c.WorkingDir != "" {
		args = append(args, "--workdir", c.WorkingDir)
	}
	// kubelet's command replaces the image's ENTRYPOINT, its args the CMD.
	if len(c.Command) > 0 {
		args = append(args, "--entrypoint", c.Command[0], image)
		args = append(args, c.Command[1:]...)
	} else {
		args = append(args, image)
	}
	if p.id, err = r.create(c.Name+"-"+strconv.Itoa(number), append(args, c.Args...)); err != nil {
		return nil, err
	}
	if err := p.start(); err != nil {
		return nil, err
	}
	return p, nil
}

// create makes a container and remembers it.
func (r *Runtime) create(name string, args []string) (string, error) {
	id, err := run(append([]string{"create", "--name", "podhook-" + r.uid + "-" + name, "--label", "podhook.pod=" + r.uid}, args...)...)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.created = append(r.created, id)
	return id, nil
}

// terminationLog makes the termination log of a container and mounts it, from a path of
// the form that kubelet uses: pods/UID/containers/NAME/HASH.
func (r *Runtime) terminationLog(p *process, number int) ([]string, error) {
	if p.spec.TerminationMessagePath == "" {
		return nil, nil
	}
	dir := filepath.Join(r.dir, "pods", r.uid, "containers", p.spec.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p.lastLog = filepath.Join(dir, fmt.Sprintf("%08x", number))
	if err := os.WriteFile(p.lastLog, nil, 0o666); err != nil {
		return nil, err
	}
	// Every user of the container can write it, regardless of the umask.
	if err := os.Chmod(p.lastLog, 0o666); err != nil {
		return nil, err
	}
	return []string{"--volume", p.lastLog + ":" + p.spec.TerminationMessagePath}, nil
}
