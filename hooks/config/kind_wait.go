package config

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// Condition is what a step can wait for: TCP, HTTPAnswer, File, MainExit, Program, Metric,
// Connections or Quiet.
type Condition interface {
	// String names the condition for people.
	String() string
	// endpoint is where the condition sends requests, or nil.
	endpoint() *Endpoint
}

// TCP holds if a connection to the address can be made.
type TCP struct{ Address string }

// File holds if the path exists or, with Gone, if it does not exist.
type File struct {
	Path string
	Gone bool
}

// MainExit holds if the main process has exited or is gone.
type MainExit struct{}

func (c TCP) String() string    { return "tcp " + c.Address }
func (MainExit) String() string { return "exit of the main process" }
func (c File) String() string {
	if c.Gone {
		return "file " + c.Path + " to be gone"
	}
	return "file " + c.Path
}

// Wait waits until a condition holds.
type Wait struct {
	For Condition
	// Interval is the longest pause between two looks; 0 is the default.
	Interval time.Duration
	// Holds is how long the condition must hold without a break.
	Holds time.Duration
}

func (Wait) Kind() string                    { return "wait" }
func (a Wait) Does() string                  { return a.For.String() }
func (a Wait) WaitsFor() string              { return a.For.String() }
func (a Wait) detail() string                { name, _, _ := strings.Cut(a.For.String(), " "); return name }
func (Wait) worst(s *Step) (WorstStep, bool) { return s.worstOpen() }
func (Wait) alwaysTimeout() time.Duration    { return alwaysDefault }

func (a Wait) NeedsMain() bool {
	_, ok := a.For.(MainExit)
	return ok
}

func (a Wait) preflight(p *Preflight) {
	if e := a.For.endpoint(); e != nil {
		p.endpoint(*e)
	}
}

func (TCP) endpoint() *Endpoint      { return nil }
func (File) endpoint() *Endpoint     { return nil }
func (MainExit) endpoint() *Endpoint { return nil }
func (m Metric) endpoint() *Endpoint { return &m.Endpoint }

// readWait reads exactly one condition.
func readWait(d *decoder, v value) Action {
	before := d.found()
	var w Wait
	var holds, giveUp value
	chosen := func(c Condition) {
		if w.For != nil {
			d.wrong(v, "waits for two things; a step waits for one of "+conditions)
		}
		w.For = c
	}
	d.fields(v, "a mapping such as {tcp: \"127.0.0.1:5432\"}; it waits for one of "+conditions, append(d.conditions(chosen),
		field{"exit", func(v value) {
			if text, ok := d.text(v, "main"); ok && text != "main" {
				d.refuse(v, "main")
			}
			chosen(MainExit{})
		}},
		field{"connections", func(v value) { chosen(d.connections(v)) }},
		field{"quiet", func(v value) { chosen(d.quiet(v)) }},
		field{"exec", func(v value) { chosen(d.program(v)) }},
		field{"giveUp", func(v value) { giveUp = v }},
		field{"interval", func(v value) { w.Interval = d.duration(v) }},
		field{"holds", func(v value) { w.Holds, holds = d.duration(v), v }},
	))
	if program, ok := w.For.(Program); ok && giveUp.node != nil {
		program.GiveUp = d.exitCodes(giveUp)
		w.For = program
	} else if giveUp.node != nil {
		d.wrong(giveUp, "is for exec; that of http is written within http")
	}
	if _, exit := w.For.(MainExit); exit && holds.node != nil {
		d.wrong(holds, "means nothing with exit: a process that has exited stays so")
	}
	if w.For == nil && d.found() == before {
		d.wrong(v, "waits for nothing; a step waits for one of "+conditions)
	}
	if d.found() > before {
		return nil
	}
	return w
}

// conditions returns the fields of the conditions that one look can decide.
func (d *decoder) conditions(chosen func(Condition)) []field {
	return []field{
		{"tcp", func(v value) { chosen(TCP{Address: d.address(v)}) }},
		{"http", func(v value) { chosen(d.httpAnswer(v)) }},
		{"file", func(v value) { chosen(File{Path: d.absPath(v)}) }},
		{"gone", func(v value) { chosen(File{Path: d.absPath(v), Gone: true}) }},
		{"metric", func(v value) { chosen(d.metric(v)) }},
	}
}

const conditions = "tcp, http, file, gone, exit, exec, metric, connections, quiet"

const addressRule = "an address with a port, such as 127.0.0.1:5432"

// CheckAddress returns an error if the text is not a host and a port.
func CheckAddress(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || strings.ContainsAny(host, " \t\r\n/") || !isPort(port) {
		return fmt.Errorf("%q: allowed is %s", text, addressRule)
	}
	return nil
}

func (d *decoder) address(v value) string {
	text, ok := d.text(v, addressRule)
	if ok && CheckAddress(text) != nil {
		d.refuse(v, addressRule)
	}
	return text
}
