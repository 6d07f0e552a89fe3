package config

import (
	"fmt"
	"path"
	"strconv"

	"github.com/podhook/podhook/hooks/executable"
)

// Program holds if a program exits with code 0.
type Program struct {
	Exec Exec
	// GiveUp lists the exit codes after which waiting is useless.
	GiveUp []int
}

// String names the program without its arguments, which may hold a secret.
func (c Program) String() string    { return "exec " + path.Base(c.Exec.Argv[0]) }
func (Program) endpoint() *Endpoint { return nil }

func (d *decoder) program(v value) Condition {
	exec, ok := readExec(d, v).(Exec)
	if !ok {
		return Program{Exec: Exec{Argv: []string{""}}}
	}
	return Program{Exec: exec}
}

// programs lists what a wait starts.
func (a Wait) programs(h *Hook, search executable.Search) []program {
	if c, ok := a.For.(Program); ok {
		return c.Exec.programs(h, search)
	}
	return nil
}

// exitCodes reads the exit codes of giveUp.
func (d *decoder) exitCodes(v value) (codes []int) {
	const allowed = "a list of exit codes from 1 to 255, such as [66]"
	for _, item := range d.items(v, allowed) {
		text, ok := d.text(item, allowed)
		if !ok {
			continue
		}
		code, err := ParseExitCode(text)
		if err != nil {
			d.refuse(item, allowed)
		}
		codes = append(codes, code)
	}
	return codes
}

// ParseExitCode parses the code of a failure.
func ParseExitCode(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 255 {
		return 0, fmt.Errorf("%q: an exit code from 1 to 255 is needed", text)
	}
	return n, nil
}
