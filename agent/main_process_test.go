package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// The log says once that the main process is not found, but not at once: a native
// sidecar starts first. When it has come, it is known to have been there.
func TestWatchMain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "main.pid")
	target, err := mainprocess.Parse("pidfile:" + path)
	if err != nil {
		t.Fatal(err)
	}
	finder := mainprocess.NewFinder(target, nil)
	var log logs
	a := &Agent{Finder: finder, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		go a.WatchMain(ctx)
		time.Sleep(missed - time.Millisecond)
		synctest.Wait()
		if log.String() != "" {
			t.Errorf("after %v:\n%s", time.Since(began), log.String())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := log.count("level=WARN", "main process not found", "pidfile:"+path, "no such file"); n != 1 || finder.Seen() {
			t.Errorf("after an hour %d warnings, seen: %v\n%s", n, finder.Seen(), log.String())
		}
		cancel()
		synctest.Wait()
	})
	// The parent of the test is the only other process with a known PID.
	if err := os.WriteFile(path, fmt.Append(nil, os.Getppid()), 0o644); err != nil {
		t.Fatal(err)
	}
	a.WatchMain(t.Context())
	if log.count("level=INFO", "main process found", fmt.Sprintf("pid=%d", os.Getppid())) != 1 || !finder.Seen() {
		t.Errorf("seen: %v\n%s", finder.Seen(), log.String())
	}
}

// A main process that was never seen differs from one that has exited.
func TestMainProcessIsShown(t *testing.T) {
	pidfile := filepath.Join(t.TempDir(), "main.pid")
	w := serving(t, `{hooks: {shutdown: {steps: [{signal: TERM}]}}}`, withMain("pidfile:"+pidfile))
	shown := func(state, why string, up, seen int) {
		t.Helper()
		var st Status
		if err := json.Unmarshal([]byte(w.is("/status", 200)), &st); err != nil {
			t.Fatal(err)
		}
		if st.Main == nil || st.Main.State != state || !strings.Contains(st.Main.Error, why) || why == "" != (st.Main.Error == "") {
			t.Errorf("/status says %+v, want %s: %s", st.Main, state, why)
		}
		metrics := w.is("/metrics", 200)
		for _, line := range []string{fmt.Sprintf("podhook_main_up %d\n", up), fmt.Sprintf("podhook_main_seen %d\n", seen)} {
			if !strings.Contains(metrics, line) {
				t.Errorf("no %q in\n%s", line, metrics)
			}
		}
	}
	shown("not_found", "there is no such file", 0, 0)
	w.write(pidfile, "")
	shown("unknown", "it is empty", 0, 0)
	_, exited := w.mainProcess(pidfile)
	shown("running", "", 1, 1)
	w.is("/shutdown", 200)
	<-exited
	shown("exited", "has exited already", 0, 1)
}

// An agent beside the main container knows how long a stop took: from the preStop, or from
// its own stop signal, to the end of the main process.
func TestStopOfAnotherContainersMainProcess(t *testing.T) {
	for name, stop := range map[string]func(s *served){
		"preStop": func(s *served) { s.is("/shutdown", 200) },
		"stop signal": func(s *served) {
			s.stop()
			testutil.Eventually(s.t, "shutdown has run", func() bool { return s.shutdownRecord().Outcome == state.Succeeded })
		},
		"by itself": func(*served) {},
	} {
		t.Run(name, func(t *testing.T) {
			pidfile := filepath.Join(t.TempDir(), "main.pid")
			var pid int
			var exited <-chan syscall.WaitStatus
			s := serve(t, quick, withMain("pidfile:"+pidfile), func(w *world) { pid, exited = w.mainProcess(pidfile) })
			testutil.Eventually(t, "the end is awaited", func() bool { return goesOn("mainprocess.(*Process).WaitExit(0x") })
			began := time.Now()
			stop(s)
			if seen := s.agent.Course.Seen(); seen.Stop != nil {
				t.Errorf("%+v before the end", seen)
			}
			least := time.Since(began)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-exited
			if name == "by itself" { // which the agent knows before it is told to stop
				testutil.Eventually(t, "the end is seen", func() bool { return !goesOn("mainprocess.(*Process).WaitExit(0x", "(*Agent).mainExited(") })
				s.stop()
			}
			if name != "preStop" { // there the agent has not been told to stop
				s.ended <- <-s.ended
			} else {
				testutil.Eventually(t, "the stop is over", func() bool { return s.agent.Course.Seen().Stop != nil })
			}
			took := s.agent.Course.Seen().Stop
			s.cancel()
			testutil.Eventually(t, "no marker is forgotten any more", func() bool { return !goesOn("forgetMarkers(") })
			switch most := time.Since(began); {
			case name == "by itself" && took != nil:
				t.Errorf("a stop of %v without one", *took)
			case name == "by itself":
			case took == nil || *took > most || *took < least-50*time.Millisecond: // as coarse as the times of files
				t.Errorf("the stop took %v, want %v to %v", took, least, most)
			}
		})
	}
}

// goesOn reports whether a goroutine is in one of these functions.
func goesOn(functions ...string) bool {
	stacks := make([]byte, 1<<20)
	text := string(stacks[:runtime.Stack(stacks, true)])
	return slices.ContainsFunc(functions, func(function string) bool { return strings.Contains(text, function) })
}
