package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// withEntry is podhook with an entry point of its own.
func withEntry(t *testing.T) string {
	t.Helper()
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("podhook has no entry point of its own for " + runtime.GOARCH)
	}
	return plain
}

// Variables of Go's runtime, good ones and malformed ones.
func goVariables() map[string][]string {
	return map[string][]string{
		"strange":   {"GODEBUG=fips140=on,inittrace=1,gctrace=1,schedtrace=1,cpu.bogus=on", "GOGC=off", "GOMEMLIMIT=1MiB", "GOTRACEBACK=crash", "GOMAXPROCS=64"},
		"malformed": {"GODEBUG=fips140=bogus,=,", "GOGC=much", "GOMEMLIMIT=512Mi", "GOTRACEBACK=\xff", "GOMAXPROCS=two"},
		"empty":     {"GODEBUG=", "GOGC=", "GOMEMLIMIT=", "GOTRACEBACK=", "GOMAXPROCS="},
		"twice":     {"GODEBUG=fips140=only", "GOMEMLIMIT=-1", "GODEBUG=fips140=only", "GOMEMLIMIT=1"},
	}
}

// ofGo matches the output of the runtime of Go for its variables.
var ofGo = regexp.MustCompile(`(?m)^(init|gc|SCHED|GODEBUG|panic|fatal|runtime|goroutine|GOMEMLIMIT|malformed)\b.*`)

// Go's variables are meant for the application: no command obeys one or fails by it.
func TestNoCommandObeysGoVariables(t *testing.T) {
	binary := withEntry(t)
	commands := []string{
		"prestart", "shutdown", "hook other", "status", "logs prestart", "wait prestart --timeout 0s", "plan other", "check",
		"http http://127.0.0.1:1/ --timeout 1s", "signal TERM", "sleep 1ms", "install $DIR", "version", "help", "run -s -- true", "nothing",
	}
	codes := func(t *testing.T, env []string) (codes []int) {
		s := newSandbox(t, countedHooks, env...)
		s.binary = binary
		for _, words := range commands {
			e := s.run(strings.Fields(strings.ReplaceAll(words, "$DIR", s.dir))...)
			if found := ofGo.FindString(e.stdout + "\n" + e.stderr); found != "" {
				t.Errorf("%s: Go's runtime says %q", words, found)
			}
			codes = append(codes, e.code)
		}
		return codes
	}
	want := codes(t, nil)
	if !slices.Equal(want[:8], make([]int, 8)) {
		t.Fatalf("without any variable the codes are %v", want)
	}
	for name, env := range goVariables() {
		t.Run(name, func(t *testing.T) {
			if got := codes(t, env); !slices.Equal(got, want) {
				t.Errorf("exit codes %v, without the variables %v: %q", got, want, commands)
			}
		})
	}
}

// The agent keeps its own limits, also in a build without the entry point, which obeys
// only GODEBUG and fails by malformed values.
func TestAgentIsBoundedByItself(t *testing.T) {
	testutil.Slow(t)
	withoutEntry := filepath.Join(t.TempDir(), "podhook")
	if out, err := exec.Command("go", "build", "-o", withoutEntry, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, binary := range map[string]string{"entry point": withEntry(t), "none": withoutEntry} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, "", "PODHOOK_LISTEN=127.0.0.1:0", "PODHOOK_METRICS_RUNTIME=true", "GOGC=off", "GOMEMLIMIT=1MiB", "GOMAXPROCS=64")
			s.binary = binary
			r, w := pipe(t)
			cmd := s.command("serve")
			cmd.Stdout = w
			s.begin(cmd)
			w.Close()
			resp, err := http.Get("http://" + listening(t, r) + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			contains(t, string(text), "\ngo_sched_gomaxprocs_threads 1\n", "\ngo_gc_gogc_percent 50\n", fmt.Sprintf("\ngo_gc_gomemlimit_bytes %v\n", float64(memoryLimit)))
		})
	}
}

// Children get every variable as it is and where it is.
func TestChildrenGetGoVariables(t *testing.T) {
	binary := withEntry(t)
	for name, env := range goVariables() {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t, `hooks: {prestart: {steps: [{exec: [cp, -f, /proc/self/environ, "${DIR}/step"]}]}}`)
			s.env = append(append(env, "DOUBLE=1", "GO=1", "DOUBLE=2", "malformed", "="), s.env...)
			s.exactly(binary, "run", "-s", "--", "cp", "-f", "/proc/self/environ", s.path("main"))
			s.gotEnvironment("main")
			s.gotEnvironment("step")
			s.exactly(binary, "prestart", "--force")
			s.gotEnvironment("step")
		})
	}
}

// exactly runs a program with the unchanged environment of the sandbox. os/exec would
// drop double and malformed entries.
func (s *sandbox) exactly(argv ...string) {
	s.t.Helper()
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Env: s.env})
	if err != nil {
		s.t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || !state.Success() {
		s.t.Fatalf("%q: %v, %v", argv, state, err)
	}
}

// gotEnvironment compares a file with the environment of the sandbox. The variables of a
// step follow it.
func (s *sandbox) gotEnvironment(file string) {
	s.t.Helper()
	got, _, _ := strings.Cut(s.read(file), "PODHOOK_HOOK=")
	if want := strings.Join(s.env, "\x00") + "\x00"; got != want {
		s.t.Errorf("%s got\n%q, want\n%q", file, got, want)
	}
}
