package mainprocess

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/podhook/podhook/hooks/state"
)

// Target says how to find the main process. The zero value finds nothing.
type Target struct {
	kind  kind
	value string
	pid   int // of kindPID only
	// started is the process that podhook run has started, nil for any other.
	started *state.MainIdentity
}

// Started returns the target of the process that podhook run has started. It never
// leads to another process with the same PID, but a start time of 0 is not compared.
// PID 0 means a process that has not been started yet.
func Started(main state.MainIdentity) Target {
	t := Target{kind: kindPID, value: strconv.Itoa(main.PID), pid: main.PID}
	if main.PID != 0 {
		t.started = &main
	}
	return t
}

type kind string

const (
	kindPID     kind = "pid"
	kindPidfile kind = "pidfile"
	kindExe     kind = "exe"
	kindName    kind = "name"
)

// maxPID is PID_MAX_LIMIT of 64-bit Linux, see proc(5), pid_max.
const maxPID = 1 << 22

// Parse parses a value of PODHOOK_MAIN: "pid:N", "pidfile:PATH", "exe:PATH" or
// "name:NAME". It does not look for the process or the file. An error names the value
// and what is allowed.
func Parse(s string) (Target, error) {
	k, value, found := strings.Cut(s, ":")
	t := Target{kind: kind(k), value: value}
	var err error
	switch {
	case !found:
		err = fmt.Errorf("it has no kind")
	case t.kind == kindPID:
		t.pid, err = parsePID(value)
	case t.kind == kindPidfile, t.kind == kindExe:
		err = checkPath(value)
		t.value = path.Clean(value)
	case t.kind == kindName:
		err = checkName(value)
	default:
		err = fmt.Errorf("there is no kind %q", k)
	}
	if err != nil {
		return Target{}, fmt.Errorf("main process %q: %w; allowed are pid:N, pidfile:PATH, exe:PATH and name:NAME", s, err)
	}
	return t, nil
}

// String returns the target in the form that Parse reads.
func (t Target) String() string {
	if t.kind == "" {
		return ""
	}
	return string(t.kind) + ":" + t.value
}

func parsePID(s string) (int, error) {
	pid, err := strconv.Atoi(s)
	if err != nil || pid < 1 || pid > maxPID || s[0] == '+' {
		return 0, fmt.Errorf("%q is not a PID (1 to %d)", s, maxPID)
	}
	return pid, nil
}

func checkPath(s string) error {
	if !path.IsAbs(s) || strings.ContainsRune(s, 0) {
		return fmt.Errorf("%q is not an absolute path", s)
	}
	return nil
}

func checkName(s string) error {
	if s == "" || strings.ContainsAny(s, "/\x00") {
		return fmt.Errorf("%q is not the name of a program (for a path use exe:PATH)", s)
	}
	return nil
}
