package supervisor_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/internal/testutil"
)

// screen is a terminal with a program on it, and what that has written.
type screen struct {
	cmd      *exec.Cmd
	fd       int
	master   *os.File
	patience time.Duration

	mu   sync.Mutex
	text strings.Builder
}

// openScreen runs argv as the leader of a session on a new terminal.
func openScreen(c conditions, argv ...string) (*screen, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer slave.Close()
	s := &screen{cmd: c.command(argv...), fd: fd, master: os.NewFile(uintptr(fd), "/dev/ptmx"), patience: c.patience}
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr.Setsid, s.cmd.SysProcAttr.Setctty = true, true
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go s.read()
	return s, nil
}

func (s *screen) read() {
	b := make([]byte, 4096)
	for {
		n, err := s.master.Read(b)
		s.mu.Lock()
		s.text.Write(b[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// dialog types each second word after it has seen the one before it, in order.
func (s *screen) dialog(words ...string) error {
	seen := 0
	for n := 0; n < len(words); n += 2 {
		err := testutil.Until(cmp.Or(s.patience, 20*time.Second), fmt.Sprintf("%q", words[n]), func() bool {
			at := strings.Index(s.shown()[seen:], words[n])
			if at >= 0 {
				seen += at + len(words[n])
			}
			return at >= 0
		})
		if err != nil {
			return fmt.Errorf("%w in %q", err, s.shown())
		}
		if n+1 < len(words) {
			if _, err := s.master.WriteString(words[n+1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// askLast types go until bash has answered it by last: a line that comes in the
// moment in which a trap runs can be lost to bash's read.
func (s *screen) askLast() error {
	var err error
	for range 5 {
		if _, err = s.master.WriteString("go\n"); err != nil {
			return err
		}
		if err = testutil.Until(4*time.Second, "last", func() bool { return strings.Contains(s.shown(), "last") }); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w in %q", err, s.shown())
}

func (s *screen) close() {
	_ = s.master.Close()
	endAll(s.cmd)
}

// on runs the init with command on a terminal, as PID 1 of a container.
func on(i initProgram, command ...string) (*screen, error) { return onWith(i, options{}, command...) }

func onWith(i initProgram, o options, command ...string) (*screen, error) {
	argv, _ := i.argv(o, command)
	return openScreen(conditions{Container: true, patience: i.patience()}, argv...)
}

// shell runs an interactive bash on a terminal with $init for the init.
func shell(i initProgram) (*screen, error) {
	o := options{subreaper: true}
	if _, ok := i.flags(o); !ok {
		o = options{}
	}
	argv, _ := i.argv(o, nil)
	env := []string{"PATH=" + os.Getenv("PATH"), "PS1=ok> ", "TERM=dumb", "HISTFILE=", "init=" + strings.Join(argv, " ")}
	return openScreen(conditions{Env: env, patience: i.patience()}, "bash", "--norc", "--noediting", "-i")
}

func TestTerminalForeground(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		s, err := on(i, "sh", "-c", `set -- $(cat /proc/$$/stat); echo "group $5 has it: $8" leader $$.`)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.dialog("leader"); err != nil {
			return err
		}
		var group, foreground, leader int
		if _, err := fmt.Sscanf(s.shown(), "group %d has it: %d leader %d", &group, &foreground, &leader); err != nil {
			return fmt.Errorf("%w: %q", err, s.shown())
		}
		if group != foreground || group != leader {
			return fmt.Errorf("%q", s.shown())
		}
		return nil
	})
}

func TestKeysSignalOnce(t *testing.T) {
	needRoot(t)
	for _, key := range []struct{ name, typed, signal string }{{"Ctrl-C", "\x03", "INT"}, {"Ctrl-backslash", "\x1c", "QUIT"}} {
		t.Run(key.name, func(t *testing.T) {
			rule(t, options{}, func(t *testing.T, i initProgram) error {
				// USR1 goes through the init and comes after all that came before it.
				s, err := on(i, "bash", "-c", `trap 'echo "[$0]"' $0; trap 'echo last' USR1
echo ready; while read -t 60 line || true; do [ "$line" = go ] && kill -USR1 1; done`, key.signal)
				if err != nil {
					return err
				}
				defer s.close()
				// What comes just before bash's read is told when that returns.
				if err := s.dialog("ready", key.typed); err != nil {
					return err
				}
				if err := s.askLast(); err != nil {
					return err
				}
				if n := strings.Count(s.shown(), "["+key.signal+"]"); n != 1 {
					return fmt.Errorf("it came %d times", n)
				}
				return nil
			})
		})
	}
}

func TestCtrlZAndForegroundFromOuterShell(t *testing.T) {
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		s, err := shell(i)
		if err != nil {
			return err
		}
		defer s.close()
		return s.dialog("ok> ", "$init cat\n", "cat", "one\n", "one\r\none\r\n", "\x1a",
			"Stopped", "fg\n", "fg\r\n", "", "cat\r\n", "two\n", "two\r\ntwo\r\n", "\x03", "ok> ", "echo code=$?\n", "code=130")
	})
}

func TestJobControlOfShellInside(t *testing.T) { jobControl(t, options{}) }

// dumb-init makes a session for the shell, which takes the terminal.
func TestJobControlWithGroup(t *testing.T) { jobControl(t, options{group: true}) }

func jobControl(t *testing.T, o options) {
	needRoot(t)
	rule(t, o, func(t *testing.T, i initProgram) error {
		s, err := onWith(i, o, "env", "PS1=ok> ", "TERM=dumb", "bash", "--norc", "--noediting", "-i")
		if err != nil {
			return err
		}
		defer s.close()
		if strings.Contains(s.shown(), "no job control") {
			return fmt.Errorf("%q", s.shown())
		}
		return s.dialog("ok> ", "cat\n", "cat\r\n", "one\n", "one\r\none\r\n", "\x1a",
			"Stopped", "fg\n", "fg\r\n", "", "cat\r\n", "two\n", "two\r\ntwo\r\n", "\x03", "ok> ", "exit 9\n")
	})
}

// A PID 1 ignores Ctrl-Z; a main process that nobody could continue must too.
func TestCtrlZDoesNotFreezeContainer(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		s, err := on(i, "sh", "-c", "echo ready; exec cat")
		if err != nil {
			return err
		}
		defer s.close()
		return s.dialog("ready", "\x1a", "^Z", "one\n", "one\r\none\r\n")
	})
}

func TestWindowSize(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		s, err := on(i, "bash", "-c", `trap 'stty size' WINCH; trap 'echo last' USR1
echo ready; while read -t 60 line || true; do [ "$line" = go ] && kill -USR1 1; done`)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.dialog("ready"); err != nil {
			return err
		}
		size := &unix.Winsize{Row: 33, Col: 77}
		if err := unix.IoctlSetWinsize(s.fd, unix.TIOCSWINSZ, size); err != nil {
			return err
		}
		if err := s.dialog("33 77"); err != nil {
			return err
		}
		if err := s.askLast(); err != nil {
			return err
		}
		if n := strings.Count(s.shown(), "33 77"); n != 1 {
			return fmt.Errorf("WINCH came %d times", n)
		}
		return nil
	})
}

func TestHangUp(t *testing.T) {
	needRoot(t)
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		file := filepath.Join(t.TempDir(), "hup")
		s, err := on(i, "bash", "-c", `trap 'echo HUP >> $0' HUP; trap 'exit 8' TERM
echo ready; while :; do sleep 0.02; done`, file)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.dialog("ready"); err != nil {
			return err
		}
		if err := s.master.Close(); err != nil {
			return err
		}
		if err := testutil.Until(10*time.Second, "HUP", func() bool { text, _ := os.ReadFile(file); return len(text) > 0 }); err != nil {
			return err
		}
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		if err := waitFor(s.cmd); err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if string(text) != "HUP\n" || s.cmd.ProcessState.ExitCode() != 8 {
			return fmt.Errorf("%q, exit code %d", text, s.cmd.ProcessState.ExitCode())
		}
		return err
	})
}

// With tostop a process in the background that writes is stopped; an init that says
// why it could not start its child is not.
func TestToStop(t *testing.T) {
	rule(t, options{}, func(t *testing.T, i initProgram) error {
		s, err := shell(i)
		if err != nil {
			return err
		}
		defer s.close()
		return s.dialog("ok> ", "stty tostop; $init /no/such; echo code=$?; $init echo fine\n", "/no/such", "", "code=", "", "fine\r\n")
	})
}

// A script that goes on after the init has its terminal again.
func TestGivesTerminalBack(t *testing.T) {
	for _, command := range []string{"true", "/no/such"} {
		t.Run(command, func(t *testing.T) {
			rule(t, options{}, func(t *testing.T, i initProgram) error {
				argv, _ := i.argv(options{}, []string{command})
				s, err := openScreen(conditions{patience: i.patience()}, append([]string{"sh", "-c", `"$@"; echo now; read x; echo "got $x"`, "sh"}, argv...)...)
				if err != nil {
					return err
				}
				defer s.close()
				return s.dialog("now", "line\n", "got line")
			})
		})
	}
}

// A session leader that gives up its terminal gets HUP and CONT, which the main process,
// that takes it, must not get. HUP and CONT that come later it does.
func TestTerminalIsHandedOver(t *testing.T) {
	needRoot(t)
	rule(t, options{group: true}, func(t *testing.T, i initProgram) error {
		s, err := onWith(i, options{group: true}, "bash", "-c", `trap 'echo "[HUP]"' HUP; trap 'echo "[CONT]"' CONT; trap 'echo last' USR1
echo ready; read line; echo "read $line"; while read -t 60 line || true; do [ "$line" = go ] && kill -USR1 1; done`)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.dialog("ready", "one\n", "read one"); err != nil {
			return err
		}
		if err := s.askLast(); err != nil {
			return err
		}
		if strings.Contains(s.shown(), "[") {
			return fmt.Errorf("%q", s.shown())
		}
		for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGCONT} {
			if err := s.cmd.Process.Signal(sig); err != nil {
				return err
			}
			if err := s.dialog(map[syscall.Signal]string{syscall.SIGHUP: "[HUP]", syscall.SIGCONT: "[CONT]"}[sig]); err != nil {
				return err
			}
		}
		return nil
	})
}
