package state

import "github.com/podhook/podhook/hooks/procfs"

// ContainerStart is one start of a container, as another container of the pod sees it: by
// its first process.
type ContainerStart struct {
	// ID is the Instance.ID that processes in that container get.
	ID  string `json:"id"`
	PID int    `json:"pid"`
	// Began is the start time of its first process, in clock ticks since boot.
	Began uint64 `json:"began"`
}

// LookAfter sets the function that returns the main process, nil where there is none now.
// It is called before the store is used.
func (s *Store) LookAfter(main func() *MainIdentity) { s.main = main }

// Current reports whether a record belongs to the current start of the container that the
// hooks are for. That is the container of the main process, usually podhook's own.
//
// If podhook is a sidecar, it is the other container (see OtherContainer). Then a record
// is still current after a restart of podhook's own container, but not after a restart or
// the end of the other one. A run that began when the main process was unknown was for
// the container in which the main process is now, if that had started.
func (s *Store) Current(r Record) bool {
	if r.For != nil {
		return s.goesOn(r.For)
	}
	if other := s.otherNow(); other != nil {
		return r.Boot == s.instance.Boot && r.StartTicks >= other.Began
	}
	return r.Instance == s.instance.ID
}

// known reports whether a record belongs to this instance or is current. A record of this
// instance that is not current still says what happened.
func (s *Store) known(r *Record) bool { return r.Instance == s.instance.ID || s.Current(*r) }

// Follows reports whether a run is of the same start of the container as the run before,
// and is not older.
func (r *Record) Follows(before *Record) bool {
	same := r.Instance == before.Instance
	if r.For != nil && before.For != nil {
		same = r.For.ID == before.For.ID
	}
	return same && r.StartTicks >= before.StartTicks
}

func (s *Store) otherNow() *ContainerStart {
	if s.main == nil {
		return nil
	}
	return s.OtherContainer(s.main())
}

// OtherContainer returns the start of the container of a process. It is nil where that is
// podhook's own container, or unknown. Containers see each other only if they share a PID
// namespace, and then PID 1 belongs to neither.
func (s *Store) OtherContainer(main *MainIdentity) *ContainerStart {
	if main == nil {
		return nil
	}
	ours, one := s.proc.RootMount(procfs.Self), s.proc.RootMount(1)
	if ours == "" || one == "" || ours == one {
		return nil
	}
	root := s.containerRoot(main.PID, one)
	if root == "" || root == ours || root == one {
		return nil
	}
	first, ok := oldestWith(s.proc, root)
	if !ok {
		return nil
	}
	return &ContainerStart{ID: instanceID(s.proc, first), PID: first.pid, Began: first.start}
}

// containerRoot returns the root mount of the container of a process. The process may have
// mounts of its own, so containerRoot takes its topmost ancestor in the container. The
// parent of that one is outside of the PID namespace, or in the root of the machine
// (hostPID), or PID 1.
func (s *Store) containerRoot(pid int, one string) string {
	for range maxAncestors {
		st, err := s.proc.Stat(pid)
		if err != nil {
			return ""
		}
		if st.PPID == 0 {
			break
		}
		if above := s.proc.RootMount(st.PPID); above == one || above == "" {
			break
		}
		pid = st.PPID
	}
	return s.proc.RootMount(pid)
}

// maxAncestors bounds the number of ancestors: parents are read at different times, so a
// circle is possible.
const maxAncestors = 1000

// goesOn reports whether the first process of a container's start is alive.
func (s *Store) goesOn(c *ContainerStart) bool {
	st, err := s.proc.Stat(c.PID)
	if err != nil || st.Start != c.Began {
		return false
	}
	root := s.proc.RootMount(c.PID) // a zombie has none
	return instanceID(s.proc, firstProcess{root, c.PID, c.Began}) == c.ID
}
