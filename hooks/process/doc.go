// Package process runs one program of a step: in its own process group, with
// its output read line by line, under a deadline at which the whole tree of it
// ends, also what left the group or the session.
//
// It is the only part of podhook that starts or reaps children. Nothing else
// may use os/exec or wait4: a second waiter steals exit statuses.
package process
