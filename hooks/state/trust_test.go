package state

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// What another user has made or can change is neither run nor believed. It can be
// shown.
func TestAnotherUsersFilesAreRefused(t *testing.T) {
	testutil.NeedRoot(t, "give a file away")
	plant := map[string]func(path string) error{
		"another user's":        func(path string) error { return os.Chown(path, 65534, 65534) },
		"writable by everybody": func(path string) error { return os.Chmod(path, 0o666) },
		"writable by a group": func(path string) error {
			return errors.Join(os.Chown(path, 0, 65534), os.Chmod(path, 0o660))
		},
	}
	link := func(path string) error { return errors.Join(os.Rename(path, path+".x"), os.Symlink(path+".x", path)) }
	for file, use := range map[string]func(s *Store) error{
		"config.json": func(s *Store) error { _, _, _, err := s.LastConfig(); return err },
		"config.lock": func(s *Store) error { return s.SaveConfig(fmt.Append(nil, rand.Int()), "x") },
		"main":        func(s *Store) error { _, _, err := s.Main(); return err },

		"hooks/prestart": func(s *Store) error { _, _, err := s.Hook("prestart").Read(); return err },
		"hooks/prestart/run.json": func(s *Store) error {
			_, _, err := s.Hook("prestart").Read()
			if _, _, lockErr := s.Hook("prestart").TryLock(); (err == nil) != (lockErr == nil) {
				return fmt.Errorf("the lock: %w", lockErr)
			}
			return err
		},
		"hooks/prestart/callers": func(s *Store) error { return s.Hook("prestart").WaitForCallers(t.Context()) },
		"hooks/prestart/output.r1.0": func(s *Store) error {
			return s.Hook("prestart").ReadOutput(io.Discard, AllLines)
		},
	} {
		for how, change := range plant {
			s := filledStore(t)
			path := filepath.Join(s.Dir(), file)
			if err := use(s); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			var st unix.Stat_t
			if err := unix.Stat(path, &st); err != nil {
				t.Fatal(err)
			}
			var owner *OwnerError
			err := use(s)
			if !errors.As(err, &owner) || owner.Path != path || owner.UID != st.Uid || uint32(owner.Mode) != st.Mode&0o777 {
				t.Errorf("%s, %s: %v, want an OwnerError that names it", file, how, err)
			}
			s.show = true
			if err := use(s); err != nil {
				t.Errorf("%s, %s, to be shown: %v", file, how, err)
			}
		}
		if file == "hooks/prestart" {
			continue
		}
		s := filledStore(t)
		if err := link(filepath.Join(s.Dir(), file)); err != nil {
			t.Fatal(err)
		}
		if err := use(s); err == nil {
			t.Errorf("%s: a link is followed", file)
		}
	}
}

// filledStore has one of each file.
func filledStore(t *testing.T) *Store {
	t.Helper()
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	l := mustLock(t, h)
	w, err := l.Output("r1")
	if err != nil {
		t.Fatal(err)
	}
	mustLine(t, w, "x")
	mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded})
	callers, err := createAt(l.dirfd, callersName, 0)
	if err := errors.Join(err, unix.Close(callers), l.Unlock(), s.SaveConfig([]byte("hooks: {}"), "file"), s.SaveMain(MainIdentity{PID: 1, StartTime: 1})); err != nil {
		t.Fatal(err)
	}
	return s
}

// kubelet lets the pod's fsGroup write to a volume's files, and every container is in
// it.
func TestTrustedGroups(t *testing.T) {
	testutil.NeedRoot(t, "leave a group")
	for uid, want := range map[uint32]string{
		1000: "[true true true true false false false]\n",
		0:    "[false false true true false false false]\n",
	} {
		child := command(t.Context(), "trusted")
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: 1000, Groups: []uint32{2000}}}
		if out, err := child.Output(); err != nil || string(out) != want {
			t.Errorf("uid %d: %s, %v, want %s", uid, out, err, want)
		}
	}
}

func childTrusted() error {
	own := uint32(os.Geteuid())
	var got []bool
	for _, st := range []unix.Stat_t{
		{Uid: own, Gid: 1000, Mode: 0o660}, {Uid: own, Gid: 2000, Mode: 0o660}, {Uid: own, Gid: 0, Mode: 0o660}, {Uid: 0, Gid: 3000, Mode: 0o600},
		{Uid: own, Gid: 3000, Mode: 0o660}, {Uid: 1001, Gid: 1000, Mode: 0o600}, {Uid: own, Gid: 1000, Mode: 0o602},
	} {
		got = append(got, trusted(&st))
	}
	_, err := fmt.Println(got)
	return err
}
