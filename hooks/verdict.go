package hooks

import (
	"errors"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// Verdict is what a caller is told about an outcome or an error.
type Verdict struct {
	// ExitCode is that of an exec'd hook.
	ExitCode int
	// HTTPStatus is that of an answer.
	HTTPStatus int
}

// The exit codes other than 0.
const (
	ExitFailed = 1
	// ExitUsage means bad usage or bad configuration.
	ExitUsage = 2
	// ExitTimedOut is that of timeout(1).
	ExitTimedOut = 124
	// ExitInterrupted is 128+SIGTERM, for an interruption by an unknown signal.
	ExitInterrupted = 143
)

// Judge is the table from an outcome or an error to an exit code and an HTTP status.
func Judge(result Result, err error) Verdict {
	var unknown *UnknownHookError
	var broken *config.Errors
	var stuck *StuckError
	var lost *NotRecordedError
	var cycle *CycleError
	switch {
	case errors.As(err, &unknown):
		return Verdict{ExitUsage, 404}
	case errors.As(err, &broken):
		return Verdict{ExitUsage, 500}
	case errors.As(err, &lost), errors.As(err, &cycle):
		return Verdict{ExitUsage, 500}
	case errors.As(err, &stuck):
		return Verdict{ExitTimedOut, 504}
	case err != nil:
		return Verdict{ExitFailed, 500}
	}
	switch result.Record.Outcome {
	case state.Succeeded:
		return Verdict{0, 200}
	case state.TimedOut:
		return Verdict{ExitTimedOut, 504}
	case state.Interrupted:
		return Verdict{ExitInterrupted, 503}
	}
	return Verdict{ExitFailed, 500}
}
