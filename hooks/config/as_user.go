package config

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/executable"
)

// as calls look with the file permissions of the user. The kernel decides, and so
// minds ACLs and mounts, which arithmetic with modes does not. as returns why this
// process cannot take the user's permissions, or "".
//
// setfsuid(2), and the raw setgroups(2), change one thread only. The goroutine keeps
// its thread locked, so that the thread ends with the goroutine. The process becomes
// undumpable: only root sees its /proc/PID. So this is for commands that end soon.
func (u *User) as(look func()) string {
	account, err := u.Account()
	if err != nil {
		return err.Error()
	}
	done := make(chan string)
	go func() {
		runtime.LockOSThread()
		_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		_ = unix.Setfsgid(int(account.GID)) // neither returns whether it succeeded
		_ = unix.Setfsuid(int(account.UID))
		if errno != 0 || executable.User() != int(account.UID) {
			done <- fmt.Sprintf("podhook may not run a step as another user: it lacks the capabilities SETUID and SETGID (%v)", errno)
			return
		}
		look()
		done <- ""
	}()
	return <-done
}
