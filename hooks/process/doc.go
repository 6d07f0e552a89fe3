// Package process runs one program of a step: in its own process group, with
// its output read line by line, under a deadline at which the whole tree of it
// ends, also what left the group or the session.
//
// It is the only part of podhook that starts or reaps children. Nothing else
// may use os/exec or wait4: a second waiter steals exit statuses.
//
//   - reaper.go: the one waiter of this process
//   - run.go: a program from its start to its end
//   - start.go, explain.go: finding and starting it; why that failed
//   - watch.go, lines.go, late.go: its output, also after its end
//   - kill.go, tree.go, proc.go: ending it, and finding all that belongs to it
//   - signal.go, denied.go: signalling one process and no other; why that is denied
//   - orphans.go: what may and what may not be taken for a run's stray
//   - descendants.go: ending all that a dead worker left
package process
