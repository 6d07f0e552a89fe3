package process

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/procfs"
)

// DeniedError says that the kernel does not let podhook signal a process. kill(2): the real
// or effective user of the sender must be the real or saved user of the receiver,
// or the sender must have CAP_KILL.
type DeniedError struct {
	Signal syscall.Signal
	PID    int
	// Name is the process's comm, empty where it is unknown.
	Name string
	// Users are the real and the saved user of the process: one if they are equal,
	// none where they are unknown.
	Users []int
	Err   error
}

// denied turns EPERM and EACCES of kill(2) into a *DeniedError.
func denied(err error, pid int, sig syscall.Signal) error {
	// Security modules return EACCES.
	if err != unix.EPERM && err != unix.EACCES {
		return err
	}
	e := &DeniedError{Signal: sig, PID: pid, Err: err, Users: usersOf(pid)}
	if st, err := procfs.Proc.Stat(pid); err == nil {
		e.Name = st.Comm
	}
	return e
}

func (e *DeniedError) Error() string {
	s := fmt.Sprintf("podhook may not signal process %d", e.PID)
	if e.Name != "" {
		s += fmt.Sprintf(" (%s)", e.Name)
	}
	for i, user := range e.Users {
		s += []string{" of user ", " and "}[i] + strconv.Itoa(user)
	}
	s += ": " + e.Err.Error() + "; "
	user := os.Geteuid()
	switch {
	case canKill():
		return s + "it has CAP_KILL, so the process is in another user namespace, or a security module (AppArmor, SELinux) forbids it"
	case slices.Contains(e.Users, user) || slices.Contains(e.Users, os.Getuid()):
		return s + "both are the same user, so a security module (AppArmor, SELinux) forbids it"
	case user == 0:
		return s + "root lacks the capability CAP_KILL: add KILL to securityContext.capabilities, or run both as the same user (runAsUser)"
	}
	return s + fmt.Sprintf("user %d lacks the capability CAP_KILL: run both as the same user (runAsUser), or podhook as root with CAP_KILL", user)
}

// Unwrap returns the error of the system call.
func (e *DeniedError) Unwrap() error { return e.Err }

// canKill reports whether podhook has CAP_KILL.
func canKill() bool {
	const capKill = 5 // CAP_KILL of linux/capability.h
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capget(&header, &sets[0]) == nil && sets[0].Effective&(1<<capKill) != 0
}

// usersOf reads the field Uid of proc_pid_status(5): real, effective, saved.
func usersOf(pid int) []int {
	var real, effective, saved int
	if _, err := fmt.Sscan(procfs.Proc.Status(pid, "Uid"), &real, &effective, &saved); err != nil {
		return nil
	}
	return slices.Compact([]int{real, saved})
}
