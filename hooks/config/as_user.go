package config

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/executable"
)

// as calls look with the file permissions of a user, whom the kernel knows
// better than any arithmetic with modes does: it minds ACLs and mounts too. It
// returns why this process cannot be that user, or "".
//
// setfsuid(2) and, called as it is here, setgroups(2) are a thread's alone. The
// goroutine keeps its thread, so that it ends with the goroutine. The process
// becomes undumpable: nobody but root sees its /proc/PID any more. So this is
// for commands that end soon.
func (u *User) as(look func()) string {
	account, err := u.Account()
	if err != nil {
		return err.Error()
	}
	done := make(chan string)
	go func() {
		runtime.LockOSThread()
		_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		_ = unix.Setfsgid(int(account.GID)) // neither says whether it could
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
