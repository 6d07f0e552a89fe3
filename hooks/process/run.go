package process

import (
	"context"
	"errors"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Spec is one program to run.
type Spec struct {
	// Argv is the program and its arguments. Argv[0] without a slash is searched for in
	// PATH of Env, as execvp(3) does, but without its fallback to a shell.
	Argv []string
	// Env is the whole environment.
	Env []string
	// Dir is the working directory; empty means podhook's own.
	Dir string
	// User is the user of the program, without supplementary groups; nil means
	// podhook's own user. Only root can set it.
	User *User
	// NoNewPrivileges starts the program with no_new_privs (prctl(2)): neither it nor what
	// it starts gains privileges from a set-user-ID bit or from file capabilities.
	NoNewPrivileges bool
	// Marks are entries of Env that no other run has. By them podhook finds processes
	// that left the program's group and session (/proc/PID/environ).
	Marks []string
	// KillAfter is the time between SIGTERM and SIGKILL.
	KillAfter time.Duration
	// OnLine gets every line of output, from one goroutine at a time. It also gets the
	// lines that background processes print after Run has returned. Until it returns,
	// no further output is read and the program's end is not noticed.
	OnLine func(Line)
	// OnSignal, if it is not nil, is told of the first SIGTERM and the first SIGKILL by
	// which Run ends the program, from the goroutine of Run.
	OnSignal func(syscall.Signal)
}

// User is a user and a group.
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
	// ExitCode is that of the leader, 128+n where signal n ended it, or -1 where it was
	// not started because ctx had already ended.
	ExitCode int
	// Signal is the signal that ended the leader; 0 where it exited.
	Signal syscall.Signal
	// Stopped is empty where the leader ended before podhook ended it.
	Stopped Cause
	// Sent counts the signals that podhook sent.
	Sent Sent
	// Survivors counts the processes of the run that could not be killed, because they
	// belong to another user or hang in the kernel.
	Survivors int
	// Unkillable is why a process could not be signalled, such as a *DeniedError; nil
	// where all could.
	Unkillable error
	// Background: when Run returned, a process still held an output open.
	Background bool
}

// Sent counts signals: a SIGTERM to the process group counts once, SIGKILL counts once
// per process.
type Sent struct {
	Term int
	Kill int
}

// Run runs a program in a process group of its own, with nothing on its
// standard input, and returns when it has ended. Any number may run at once.
// The error is a *StartError where it could not be started, else nil.
//
// Only the exit of the leader counts. Background processes that it leaves live on,
// whatever its exit code, and Run does not wait for them. Run reads all output that
// was written by then, including a line without newline. Later output is read too, so
// that no writer blocks or gets SIGPIPE.
//
// If ctx ends first, Run sends SIGTERM to the process group, and SIGCONT, so that a
// stopped process acts on it. After KillAfter, or earlier if the group has ended, Run
// sends SIGKILL to all processes of the run that are left: the group and all
// descendants, including orphans in other groups and sessions. Run returns when none
// is left, or at most 2 s after the first SIGKILL. An exit that was seen before the
// end of ctx counts as an exit.
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
	p := &run{reaper: r, watch: w, child: c, tree: t, onSignal: spec.OnSignal}
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
	// onSignal is that of Spec, or nil.
	onSignal func(syscall.Signal)
	exit     *syscall.WaitStatus // nil until the leader has been reaped
	// groupGone: the process group was empty once, so its number is free.
	groupGone bool
}

// watchExit makes the watch return when the leader ends.
func (p *run) watchExit() {
	if p.child.pidfd >= 0 && p.watch.addExit(p.child.pidfd) == nil {
		return
	}
	// Without a pidfd only SIGCHLD tells of the exit.
	told := make(chan syscall.WaitStatus, 1)
	go func(exited <-chan syscall.WaitStatus) {
		told <- <-exited
		p.watch.wake()
	}(p.child.exited)
	p.child.exited = told
}

// wait handles output and the leader's exit, or waits for them.
func (p *run) wait() {
	if p.watch.wait() {
		// The leader is a zombie. Reaping it here is faster than waiting for SIGCHLD. In
		// either case its status is in the channel afterwards.
		p.reaper.Reap()
	}
}

// exited reports whether the leader has been reaped.
func (p *run) exited() bool {
	if p.exit != nil {
		return true
	}
	select {
	case exit := <-p.child.exited:
		p.exit = &exit
		p.watch.endExit() // the pidfd stays readable
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

// HowEnded returns how a process ended, such as "exited with code 1" or "was killed by
// SIGKILL".
func HowEnded(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "was killed by " + unix.SignalName(status.Signal())
	}
	return "exited with code " + strconv.Itoa(status.ExitStatus())
}

// ExitCode returns the exit code of a process, or 128+n where signal n ended it, as
// shells report it.
func ExitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
