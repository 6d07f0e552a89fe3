package local

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// devices are the device files of a container.
func devices() []string {
	return []string{"null", "zero", "full", "random", "urandom", "tty"}
}

// run sets up the new namespaces and executes the command.
func (s *stage) run() error {
	// Capabilities belong to a thread, and the exec takes those of its caller.
	runtime.LockOSThread()
	for _, step := range []func() error{s.detach, s.mountProc, s.mountDev, s.mountTmpfs, s.dropCapabilities} {
		if err := step(); err != nil {
			return err
		}
	}
	if len(s.Command) == 0 {
		return nil
	}
	if s.WorkingDir != "" {
		if err := os.Chdir(s.WorkingDir); err != nil {
			return err
		}
	}
	path, err := exec.LookPath(s.Command[0])
	if err != nil {
		return err
	}
	if err := unix.Exec(path, s.Command, os.Environ()); err != nil {
		return &os.PathError{Op: "exec", Path: path, Err: err}
	}
	return nil
}

// detach hides the mounts of the container from the machine.
func (s *stage) detach() error { return mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }

func (s *stage) mountProc() error {
	if s.SharedPIDs {
		return nil
	}
	return mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// mountDev gives the container the /dev of a Kubernetes container: the usual devices, the
// /dev/shm of the pod, and the termination log.
func (s *stage) mountDev() error {
	if err := mount("tmpfs", s.Dev, "tmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
		return err
	}
	for _, name := range devices() {
		if err := bindFile("/dev/"+name, filepath.Join(s.Dev, name)); err != nil {
			return err
		}
	}
	if s.TerminationLog != "" {
		if err := bindFile(s.TerminationLog, filepath.Join(s.Dev, s.TerminationLogName)); err != nil {
			return err
		}
	}
	for name, source := range map[string]string{"shm": s.Shm, "pts": "/dev/pts"} {
		if err := bindDir(source, filepath.Join(s.Dev, name)); err != nil {
			return err
		}
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
		"stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		if err := os.Symlink(target, filepath.Join(s.Dev, name)); err != nil {
			return err
		}
	}
	return mount(s.Dev, "/dev", "", unix.MS_BIND|unix.MS_REC, "")
}

func (s *stage) mountTmpfs() error {
	for _, dir := range s.Tmpfs {
		if err := mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
			return err
		}
	}
	return nil
}

// dropCapabilities drops the capabilities that the user namespace gives, because the user
// of the container is not root.
func (s *stage) dropCapabilities() error {
	if !s.DropCapabilities {
		return nil
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

func bindFile(source, target string) error {
	if err := os.WriteFile(target, nil, 0o666); err != nil {
		return err
	}
	return mount(source, target, "", unix.MS_BIND, "")
}

// bindDir binds a directory, if this machine has it.
func bindDir(source, target string) error {
	if _, err := os.Stat(source); err != nil {
		return nil
	}
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	return mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}
