package config

import (
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Position is a place in a configuration. Line counts from 1; it is 0 where
// there is none, as for a directory or an environment variable.
type Position struct {
	File string
	Line int
}

// String is "file:line", "file" where there is no line, or "". It is one line,
// whatever the file is called.
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

// Problem is one thing that is wrong, or worth a warning: where it is, the field
// or variable, the value that was found there and what is allowed instead.
// Any part but Msg may be empty.
type Problem struct {
	Pos   Position
	Field string
	Value string
	Msg   string
}

// Error is one line, such as
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

// Errors are all problems of a configuration together, in the order of the
// file, so that one look is enough to mend them.
type Errors struct {
	Problems []Problem
	// More counts the problems that were left out because there are too many.
	More int
	// Unsettled: the file was being written, so that nothing is known of what it says.
	Unsettled bool
}

// Error lists every problem, one a line.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		lines = append(lines, p.Error())
	}
	if e.More > 0 {
		lines = append(lines, "and "+strconv.Itoa(e.More)+" more problems")
	}
	return strings.Join(lines, "\n")
}

// problems collects what is found. The first maxProblems are kept: a file that
// is not a configuration at all must not flood a log.
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

// found is how many were added.
func (ps *problems) found() int { return len(ps.list) + ps.more }

// err is nil where nothing was found.
func (ps *problems) err() error {
	if len(ps.list) == 0 {
		return nil
	}
	sort.SliceStable(ps.list, func(i, j int) bool { return ps.list[i].Pos.Line < ps.list[j].Pos.Line })
	return &Errors{Problems: ps.list, More: ps.more}
}

// asErrors is nil where there are no problems.
func asErrors(list []Problem) error {
	var all problems
	all.add(list...)
	return all.err()
}

// maxShown is how many bytes of a value an error shows.
const maxShown = 60

// quote shows a value so that control characters, blanks and its end are seen.
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
