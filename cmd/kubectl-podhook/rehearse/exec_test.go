package rehearse

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// hang are the arguments of a rehearsal of a main process that serves nothing.
// DELETE comes when the file up exists, that is, when it handles SIGTERM.
func hang(t *testing.T, flags ...string) []string {
	up := filepath.Join(t.TempDir(), "up")
	args := []string{"--stop-after", "0s", "--probe-period", "20ms", "--readiness-exec", "test -e " + up,
		"--env", "WORKLOAD=main", "--env", "UP=" + up}
	return append(append(args, flags...), "--", os.Args[0])
}

// after is a shell command that waits for a file and then runs another.
func after(file, command string) string {
	argv, _ := json.Marshal([]string{"sh", "-c", "until [ -e " + file + " ]; do sleep 0.01; done; " + command})
	return string(argv)
}

func TestPreStopExec(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	r := rehearseJSON(t, p, hang(t, "--pre-stop-exec", `["sh","-c","echo why; exit 3"]`)...)
	wantEvents(t, r, "Created", "Started", "Killing", "FailedPreStopHook")
	for _, e := range r.Events {
		if strings.Contains(e.Message, "why") {
			t.Errorf("the output is in the event %+v", e)
		}
	}
	if h := r.Hooks[0]; !h.Failed || h.OutputBytes != len("why\n") || !strings.Contains(h.Error, "exited with 3") {
		t.Errorf("hook %+v", h)
	}
	wantOnce(t, r, "main", "SIGTERM", 0, 5)
}

// Only PID 1 gets SIGTERM: an exec that hangs dies with the container.
func TestHangingExecGetsNoSIGTERM(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	for _, isolation := range []string{"namespaces", "none"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			p := newPod(t)
			r := rehearseJSON(t, p, hang(t, "--isolation", isolation, "--grace", "1", "--env", "STUBBORN=true",
				"--pre-stop-exec", "env WORKLOAD=hang "+os.Args[0])...)
			if got := logged(r, "main/preStop", "got SIGTERM"); len(got) > 0 {
				t.Error("the hook got SIGTERM")
			}
			if up := logged(r, "main/preStop", "up"); len(up) != 1 {
				t.Error("the hook was not run")
			}
			if h := r.Hooks[0]; !h.Failed || !strings.Contains(h.Error, "137") {
				t.Errorf("hook %+v, want it killed", h)
			}
			wantOnce(t, r, "main", "SIGTERM", 1, 2)
			wantOnce(t, r, "main", "SIGKILL", 3, 5)
			wantOnce(t, r, "main/preStop", "fails", 3, 5)
		})
	}
}

// An exec that a restart of kubelet breaks off dies alone: its last words are there, and its
// children go on in the container.
func TestInterruptedExec(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	for _, isolation := range []string{"namespaces", "none"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			hook, _ := json.Marshal([]string{"sh", "-c", "[ -e " + dir + "/begun ] && { until [ -e " + dir + "/child ]; do sleep 0.05; done; exit 0; }; " +
				"touch " + dir + "/begun; (sleep 2; touch " + dir + "/child) & printf 'last words'; wait"})
			r := rehearseJSON(t, newPod(t), hang(t, "--isolation", isolation, "--grace", "20", "--pre-stop-exec", string(hook),
				"--kubelet-restart-during-prestop", "1s", "--kubelet-down", "100ms")...)
			if said := logged(r, "main/preStop", "last words"); len(said) != 1 {
				t.Error("what the exec said before it was killed is missing")
			}
			if len(r.Hooks) != 2 || !r.Hooks[0].BrokenOff || r.Hooks[0].Seconds > 1.5 || r.Hooks[1].Failed {
				t.Errorf("hooks %+v, want one that is broken off and one that meets the child of the first", r.Hooks)
			}
		})
	}
}

// containerd waits for the pipes of an exec.
func TestBackgroundChildThatHoldsTheOutputHoldsTheHookUp(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	p := newPod(t)
	r := rehearseJSON(t, p, hang(t, "--pre-stop-exec", `["sh","-c","sleep 1.5 & exit 0"]`)...)
	wantOnce(t, r, "main/preStop", "succeeds", 1.4, 10)
}

func TestPostStartSeesItsContainer(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	for _, isolation := range []string{"namespaces", "none"} {
		t.Run(isolation, func(t *testing.T) {
			t.Parallel()
			p, dir := newPod(t), t.TempDir()
			context, described := "WORKLOAD=context "+os.Args[0], filepath.Join(dir, "described")
			args := []string{"--isolation", isolation, "--stop-after", "0s", "--working-dir", dir, "--env", "FLAVOUR=sour",
				"--post-start-exec", after(described, context), "--", "sh", "-c", context + "; touch " + described + "; exec sleep 60"}
			r := rehearseJSON(t, p, append([]string{"--grace", "1"}, args...)...)
			for _, want := range []string{"stdin /dev/null <nil>", "no tty", "dir " + dir, "FLAVOUR sour"} {
				for _, who := range []string{"main", "main/postStart"} {
					if len(logged(r, who, want)) != 1 {
						t.Errorf("%s does not say %q", who, want)
					}
				}
			}
			hook, main := logged(r, "main/postStart", "namespace "), logged(r, "main", "namespace ")
			if len(hook) != 2 || !slices.Equal(hook, main) {
				t.Errorf("namespaces %q, the container's %q", hook, main)
			}
			pid, _ := os.Readlink("/proc/self/ns/pid")
			if own := !slices.Contains(hook, "pid "+pid); own != (isolation == "namespaces") {
				t.Errorf("a PID namespace of its own: %v", own)
			}
		})
	}
}

func TestPostStartComes5To85MillisecondsAfterTheStart(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	r := rehearseJSON(t, p, hang(t, "--post-start-exec", "true", "--seed", "7")...)
	begins := find(r, "main/postStart", "begins")[0].At - find(r, "kubelet", "pod is Pending")[0].At
	if begins < 0.005 || begins > 1 {
		t.Errorf("postStart %v s after the start", begins)
	}
}

func TestDeleteDuringPostStart(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	p := newPod(t)
	r := rehearseJSON(t, p, hang(t, "--grace", "1", "--delete-at", "200ms", "--post-start-exec", "sleep 1.5")...)
	wantOnce(t, r, "main/postStart", "succeeds", 1.2, 5)
	wantOnce(t, r, "main", "SIGTERM", 1.2, 5)
	if deletes := find(r, "api", "DELETE"); len(deletes) != 1 || !strings.Contains(deletes[0].Result, "nothing comes of it while main/postStart runs") {
		t.Errorf("DELETE %+v", deletes)
	}
}

func TestFailedPostStartIsRestarted(t *testing.T) {
	t.Parallel()
	p, dir := newPod(t), t.TempDir()
	// preStop clears the way for the second try: the directory outlives the restart.
	failed := filepath.Join(dir, "failed")
	if err := os.Mkdir(failed, 0o755); err != nil {
		t.Fatal(err)
	}
	r := rehearseJSON(t, p, hang(t, "--restarts", "1", "--post-start-exec", after("$UP", "mkdir "+failed), "--pre-stop-exec", "rmdir "+failed)...)
	wantEvents(t, r, "Created", "Started", "FailedPostStartHook", "Killing", "Killing")
	if c := r.Containers[0]; c.RestartCount != 1 || c.Starts[0].Reason != "Completed" || !r.EverReady {
		t.Errorf("container %+v, ready %v", c, r.EverReady)
	}
}

func TestRestartKeepsVolumesAndNothingElse(t *testing.T) {
	t.Parallel()
	testutil.Slow(t)
	p, dir, scratch := newPod(t), t.TempDir(), t.TempDir()
	script := "ls " + scratch + " " + dir + "; touch " + scratch + "/trace " + dir + "/kept /dev/shm/shared; ls /dev/shm"
	r := rehearseJSON(t, p, "--isolation", "namespaces", "--tmpfs", scratch, "--restart-after", "300ms", "--stop-after", "0s",
		"--pre-stop-exec", "true", "--grace", "1", "--", "sh", "-c", script+"; exec sleep 60")
	if c := r.Containers[0]; c.RestartCount != 1 {
		t.Fatalf("container %+v, want 1 restart", c)
	}
	for name, want := range map[string]int{"trace": 0, "kept": 1, "shared": 2} {
		if n := len(logged(r, "main", name)); n != want {
			t.Errorf("%s was there %d times, want %d", name, n, want)
		}
	}
	if n := len(r.Hooks); n != 2 {
		t.Errorf("%d hooks, want preStop at the restart and at the end", n)
	}
}

func TestTerminationMessage(t *testing.T) {
	t.Parallel()
	t.Run("default path", func(t *testing.T) {
		t.Parallel()
		r := rehearseJSON(t, newPod(t), "--isolation", "namespaces", "--restart-policy", "Never", "--", "sh", "-c",
			"echo last words > /dev/termination-log; exit 3")
		if s := lastState(t, r, "main"); s.Message != "last words\n" || s.ExitCode != 3 || r.Phase != "Failed" {
			t.Errorf("state %+v, phase %s", s, r.Phase)
		}
	})
	t.Run("at most the last 4096 bytes of a file", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(file, []byte("of an earlier container"), 0o644); err != nil {
			t.Fatal(err)
		}
		r := rehearseJSON(t, newPod(t), "--isolation", "none", "--restart-policy", "Never", "--termination-log", file, "--", "sh", "-c",
			`for i in $(seq 1000); do echo "line $i"; done >> `+file)
		if s := lastState(t, r, "main"); len(s.Message) != 4096 || !strings.HasSuffix(s.Message, "line 1000\n") {
			t.Errorf("message of %d bytes", len(s.Message))
		}
	})
}

func TestSidecarOutlivesMain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sidecar := `["sh","-c","trap 'echo side got SIGTERM; exit 0' TERM; touch ` + dir + `/side; while :; do sleep 0.05; done"]`
	main := "trap 'sleep 0.5; echo main ends; exit 0' TERM; touch " + dir + "/main; while :; do sleep 0.05; done"
	r := rehearseJSON(t, newPod(t), "--sidecar", sidecar, "--readiness-exec", "test -e "+dir+"/side -a -e "+dir+"/main",
		"--probe-period", "20ms", "--stop-after", "0s", "--", "sh", "-c", main)
	var order []string
	for _, e := range r.Timeline {
		if e.What == "log" || e.What == "SIGTERM" {
			order = append(order, e.Who+" "+e.Result)
		}
	}
	want := []string{"main SIGKILL in 30 s", "main main ends", "sh SIGKILL in 30 s", "sh side got SIGTERM"}
	if !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
}
