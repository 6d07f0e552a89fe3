package state

import "github.com/podhook/podhook/hooks/procfs"

// ContainerStart is one start of a container, as another container of the pod
// sees it by its first process.
type ContainerStart struct {
	// ID is what Instance.ID is in that container.
	ID  string `json:"id"`
	PID int    `json:"pid"`
	// Began is when its first process has started, in clock ticks after boot.
	Began uint64 `json:"began"`
}

// LookAfter tells the store who the main process is, nil where there is none now.
// It is called before the store is used.
func (s *Store) LookAfter(main func() *MainIdentity) { s.main = main }

// Current says whether a record is of the present start of the container that the
// hooks are for. This is the rule for what an instance is:
//
// The hooks are for the main process's container. Mostly that is podhook's own, and
// the instance is this container's start. Where podhook is a sidecar, the instance
// is the start of the other container (see OtherContainer): a record outlives the
// restart of podhook's own container, and does not count any more when the other
// one has been restarted, or has ended. A run that began when the main process could
// not be told was for the container that it is in now, if that was there.
func (s *Store) Current(r Record) bool {
	if r.For != nil {
		return s.goesOn(r.For)
	}
	if other := s.otherNow(); other != nil {
		return r.Boot == s.instance.Boot && r.StartTicks >= other.Began
	}
	return r.Instance == s.instance.ID
}

// known says whether a record is this instance's, or has been: what is not current
// any more still says what has happened.
func (s *Store) known(r *Record) bool { return r.Instance == s.instance.ID || s.Current(*r) }

func (s *Store) otherNow() *ContainerStart {
	if s.main == nil {
		return nil
	}
	return s.OtherContainer(s.main())
}

// OtherContainer is the start of the container that a process runs in; nil where
// that is podhook's own, or cannot be told. Containers see each other only where
// they share a PID namespace, and then PID 1 is neither's.
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

// containerRoot is the root mount of the container that a process is in. The
// process itself may have mounts of its own, so the topmost of its ancestors that
// is in the container tells: its parent is the runtime, outside of the PID
// namespace or, with hostPID, in the machine's root, or PID 1.
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

// maxAncestors bounds the way up: parents are read at different moments, so a
// circle is possible.
const maxAncestors = 1000

// goesOn says whether the first process of a container's start lives.
func (s *Store) goesOn(c *ContainerStart) bool {
	st, err := s.proc.Stat(c.PID)
	if err != nil || st.Start != c.Began {
		return false
	}
	root := s.proc.RootMount(c.PID) // a zombie has none
	return instanceID(s.proc, firstProcess{root, c.PID, c.Began}) == c.ID
}
