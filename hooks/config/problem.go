package config

import (
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Position is a place in a configuration. Line counts from 1. It is 0 for a directory or
// an environment variable.
type Position struct {
	File string
	Line int
}

// String returns "file:line", "file" or "". It is always one line: a file name with
// control characters is quoted.
func (p Position) String() string {
	file := p.File
	if strings.ContainsFunc(file, unicode.IsControl) {
		file = strconv.Quote(file)
	}
	if p.Line == 0 {
		return file
	}
	return file + ":" + strconv.Itoa(p.Line)
}

// Problem is an error or a warning about a configuration: its position, the field or
// variable, the value, and what to write instead. Each part except Msg may be empty.
type Problem struct {
	Pos   Position
	Field string
	Value string
	Msg   string

	unset bool // it is a variable that another environment may have
}

// Error returns one line, such as
//
//	podhook.yaml:12: hooks.shutdown.timeout: "5": a duration with a unit, such as 5s or 1m30s
func (p Problem) Error() string {
	var parts []string
	if pos := p.Pos.String(); pos != "" {
		parts = append(parts, pos)
	}
	if p.Field != "" {
		parts = append(parts, p.Field)
	}
	if p.Value != "" {
		parts = append(parts, quote(p.Value))
	}
	return strings.Join(append(parts, p.Msg), ": ")
}

// Errors holds all problems of a configuration in the order of the file, so that they can
// be fixed at once.
type Errors struct {
	Problems []Problem
	// More counts the problems beyond the first hundred, which are left out.
	More int
	// Unsettled says that the file was being written all the time and could not be read.
	Unsettled bool
}

// Error lists all problems, one per line.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		lines = append(lines, p.Error())
	}
	if e.More > 0 {
		lines = append(lines, "and "+strconv.Itoa(e.More)+" more")
	}
	return strings.Join(lines, "\n")
}

// problems collects problems. It keeps the first maxProblems: a file that is not a
// configuration at all must not flood the log.
type problems struct {
	list []Problem
	more int
}

const maxProblems = 100

func (ps *problems) add(found ...Problem) {
	room := maxProblems - len(ps.list)
	if len(found) > room {
		ps.more += len(found) - room
		found = found[:room]
	}
	for _, p := range found {
		p.Value, p.Msg = hideValue(p.Value), HideURLs(p.Msg)
		ps.list = append(ps.list, p)
	}
}

// found counts the problems that were added.
func (ps *problems) found() int { return len(ps.list) + ps.more }

// err returns an *Errors, or nil if there are no problems.
func (ps *problems) err() error {
	if len(ps.list) == 0 {
		return nil
	}
	sort.SliceStable(ps.list, func(i, j int) bool { return ps.list[i].Pos.Line < ps.list[j].Pos.Line })
	return &Errors{Problems: ps.list, More: ps.more}
}

// asErrors returns an *Errors, or nil if the list is empty.
func asErrors(list []Problem) error {
	var all problems
	all.add(list...)
	return all.err()
}

// maxShown is how many bytes of a value a problem shows.
const maxShown = 60

// quote quotes a value, so that control characters and blanks are visible, and cuts it.
func quote(value string) string {
	if len(value) <= maxShown {
		return strconv.Quote(value)
	}
	cut := maxShown
	for cut > 0 && !utf8.RuneStart(value[cut]) {
		cut--
	}
	return strconv.Quote(value[:cut]) + "... (" + strconv.Itoa(len(value)) + " bytes)"
}
