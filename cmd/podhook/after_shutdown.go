package main

import (
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// afterShutdown is called when shutdown has ended, and must return at once. The container may
// be killed before its end.
type afterShutdown func()

// Began does nothing.
func (f afterShutdown) Began(state.Record) {}

// Line does nothing.
func (f afterShutdown) Line(hooks.Line) {}

// StepEnded does nothing.
func (f afterShutdown) StepEnded(string, string, state.StepRecord) {}

// Ended calls the function after shutdown.
func (f afterShutdown) Ended(rec state.Record) {
	if rec.Hook == config.Shutdown {
		f()
	}
}
