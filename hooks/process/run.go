package process

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// Spec is one program to run.
type Spec struct {
	// Argv is the program and its arguments. Argv[0] without a slash is looked
	// up in PATH of Env, as execvp(3) does it; there is no fallback to a shell.
	Argv []string
	// Env is the whole environment, passed on as it is.
	Env []string
	// Dir is the working directory; empty is podhook's own.
	Dir string
	// User is whom the program runs as, without supplementary groups; nil is
	// podhook's own user. Only root can.
	User *User
	// Marks are entries of Env that no other run has. They attribute processes
	// that left the program's group and session to it, by /proc/PID/environ.
	Marks []string
	// KillAfter is the time between SIGTERM and SIGKILL.
	KillAfter time.Duration
	// OnLine gets every line of output, from one goroutine at a time. While it
	// does not return, the program is not read from and its end is not acted on.
	OnLine func(Line)
}

// User is a user and a group by their numbers.
type User struct{ UID, GID uint32 }

// Cause is why podhook ended a program.
type Cause string

const (
	// TimedOut: the context's deadline has passed.
	TimedOut Cause = "timed_out"
	// Interrupted: the context was cancelled.
	Interrupted Cause = "interrupted"
)

// Result is how a program ended.
type Result struct {
	// ExitCode is the leader's, 128+n where signal n ended it, or -1 where it
	// was not started because ctx had ended already.
	ExitCode int
	// Signal is what ended the leader; 0 where it exited.
	Signal syscall.Signal
	// Stopped is empty where the leader ended before podhook ended it.
	Stopped Cause
	// Sent counts the signals that podhook sent.
	Sent Sent
	// Survivors are processes of the run that could not be killed: they belong
	// to another user, or hang in the kernel.
	Survivors int
	// Unkillable is why one could not be signalled, a *DeniedError where podhook
	// may not; nil where all could.
	Unkillable error
	// Background: when Run returned, a process still held an output open.
	Background bool
}

// Sent counts signals: SIGTERM goes to the process group, as one; SIGKILL is
// counted by process.
type Sent struct {
	Term int
	Kill int
}

// Run runs a program in a process group of its own, with nothing on its
// standard input, and returns when it has ended. Any number may run at once.
// The error is a *StartError where it could not be started, else nil.
//
// Only the leader's own exit counts. What it leaves behind lives on, whatever
// its exit code, and does not hold Run up; what was in the pipes by then is read,
// a line without newline included. Later lines are still read (see OnLate), so
// that nobody is blocked or gets SIGPIPE.
//
// When ctx ends first, SIGTERM (and SIGCONT, so that a stopped process can act
// on it) goes to the process group, and after KillAfter, or when the group has
// gone before, SIGKILL to every process that is left of the run: the group and
// all descendants, also those in other groups and sessions that were orphaned.
// Run returns when none is left, or those that are cannot be killed, which
// takes KillAfter and at most 2 s more. An exit that was seen before the end of
// ctx counts as an exit.
func (r *Reaper) Run(ctx context.Context, spec Spec) (Result, error) {
	result := Result{ExitCode: -1}
	if result.Stopped = causeOf(ctx); result.Stopped != "" {
		return result, nil
	}
	r.enter()
	defer r.leave()
	t := newTree(spec.Marks)
	w, stdout, stderr, err := newWatch(&r.buffers, spec.OnLine)
	if err != nil {
		return result, explain(&spec, "", err)
	}
	c, err := r.spawn(&spec, stdout, stderr)
	if err != nil {
		w.close()
		return result, err
	}
	t.leader = c.pid
	p := &run{reaper: r, watch: w, child: c, tree: t}
	p.watchExit()
	unhook := context.AfterFunc(ctx, w.wake)
	for !p.exited() {
		if result.Stopped = causeOf(ctx); result.Stopped != "" {
			p.end(spec.KillAfter, &result)
			break
		}
		p.wait()
	}
	unhook()
	w.readRest()
	p.setExit(&result)
	result.Background = w.open()
	if result.Background {
		r.late.start(w)
	} else {
		w.close()
	}
	return result, nil
}

func causeOf(ctx context.Context) Cause {
	switch err := ctx.Err(); {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return TimedOut
	default:
		return Interrupted
	}
}

// run is a program that is running.
type run struct {
	reaper *Reaper
	watch  *watch
	child  child
	tree   *tree
	exit   *syscall.WaitStatus // nil until the leader has been reaped
	// groupGone: the process group was seen empty, so its number is free.
	groupGone bool
}

// watchExit makes the watch return when the leader ends.
func (p *run) watchExit() {
	if p.child.pidfd >= 0 && p.watch.addExit(p.child.pidfd) == nil {
		return
	}
	// Without a pidfd the reaper tells, by SIGCHLD.
	told := make(chan syscall.WaitStatus, 1)
	go func(exited <-chan syscall.WaitStatus) {
		told <- <-exited
		p.watch.wake()
	}(p.child.exited)
	p.child.exited = told
}

// wait handles what there is to handle, or waits for it.
func (p *run) wait() {
	if p.watch.wait() {
		// The leader is a zombie now. Reaping it here saves waiting for SIGCHLD;
		// whoever is first, its status is in the channel after this.
		p.reaper.reap()
	}
}

// exited tells whether the leader has been reaped.
func (p *run) exited() bool {
	if p.exit != nil {
		return true
	}
	select {
	case exit := <-p.child.exited:
		p.exit = &exit
		p.watch.endExit() // it would be readable for ever
		return true
	default:
		return false
	}
}

func (p *run) setExit(result *Result) {
	if p.exit == nil {
		return // it hangs in the kernel; see Survivors
	}
	result.ExitCode = ExitCode(*p.exit)
	if p.exit.Signaled() {
		result.Signal = p.exit.Signal()
	}
}

// ExitCode returns the exit code of a process, or 128+n where signal n ended it, as
// shells report it.
func ExitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
