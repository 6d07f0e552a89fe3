package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/config"
)

// checked is the result of podhook check, as -o json shows it.
type checked struct {
	OK       bool      `json:"ok"`
	Source   string    `json:"source,omitempty"`
	Hooks    int       `json:"hooks"`
	Steps    int       `json:"steps"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	StateDir string    `json:"stateDir,omitempty"`
	Findings []finding `json:"findings"`

	given, file string // the name of FILE on the command line, and its absolute path
}

// finding is one problem.
type finding struct {
	Severity string `json:"severity"` // error or warning
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Field    string `json:"field,omitempty"`
	Value    string `json:"value,omitempty"`
	Message  string `json:"message"`
}

func (r *checked) add(severity string, problems ...config.Problem) {
	for _, p := range problems {
		found := finding{severity, r.shown(p.Pos.File), p.Pos.Line, p.Field, p.Value, p.Msg}
		if slices.Contains(r.Findings, found) {
			continue // two looks can find the same
		}
		r.Findings = append(r.Findings, found)
		if severity == "error" {
			r.OK = false
			r.Errors++
		} else {
			r.Warnings++
		}
	}
}

// shown returns the name of a file for people.
func (r *checked) shown(file string) string {
	if r.given != "" && file == r.file {
		return r.given
	}
	return file
}

func (r *checked) addSetting(severity, name, value string, err error) {
	if err != nil {
		r.add(severity, config.Problem{Field: name, Value: value, Msg: err.Error()})
	}
}

// write prints the result in a form of -o.
func (r *checked) write(w io.Writer, form string) error {
	slices.SortStableFunc(r.Findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	if form == "json" {
		return writeJSON(w, r)
	}
	for _, f := range r.Findings {
		line := fmt.Sprintf("%-7s  %s", f.Severity, oneLine(f.problem().Error()))
		if form == "github" {
			line = f.annotation()
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, r.summary())
	return err
}

// summary is the last line: how many problems there are, or what was found good.
func (r *checked) summary() string {
	warnings := show.Count(r.Warnings, "warning")
	if !r.OK {
		text := fmt.Sprintf("podhook: %s, %s", show.Count(r.Errors, "error"), warnings)
		if r.Source != "" {
			text += " in " + oneLine(r.Source)
		}
		return text
	}
	text := fmt.Sprintf("podhook: %s is good: %s, %s", r.Source, show.Count(r.Hooks, "hook"), show.Count(r.Steps, "step"))
	if r.StateDir != "" {
		text += "; state in " + r.StateDir
	}
	if r.Warnings > 0 {
		text += "; " + warnings
	}
	return text
}

func (f finding) problem() config.Problem {
	return config.Problem{Pos: config.Position{File: f.File, Line: f.Line}, Field: f.Field, Value: f.Value, Msg: f.Message}
}

// annotation returns the finding as a workflow command of GitHub Actions, which shows it
// at its line.
func (f finding) annotation() string {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var at string
	if f.File != "" {
		at = " file=" + property.Replace(f.File)
		if f.Line > 0 {
			at += fmt.Sprintf(",line=%d", f.Line)
		}
	}
	p := f.problem()
	p.Pos = config.Position{}
	return "::" + f.Severity + at + "::" + data.Replace(p.Error())
}
