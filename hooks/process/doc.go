// Package process runs the programs of steps. Each gets a process group of its own.
// Its output is read line by line. At the deadline podhook ends all its processes,
// including those that left the group or the session.
//
// It is the only part of podhook that starts or reaps children. Nothing else
// may use os/exec or wait4: a second waiter steals exit statuses.
//
//   - reaper.go: the one waiter of this process
//   - run.go: a program from its start to its end
//   - start.go, explain.go: finding and starting it; why that failed
//   - confined.go: starting it so that it can gain no privileges
//   - watch.go, lines.go, late.go: its output, also after its end
//   - kill.go, tree.go, census.go: ending it, and finding all that belongs to it
//   - signal.go, denied.go: signalling one process and no other; why that is denied
//   - orphans.go: which children of podhook may belong to a run
//   - remains.go: ending what a run left when its podhook was killed
package process
