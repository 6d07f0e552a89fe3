package hooks

import (
	"errors"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// Verdict is what an outcome or an error means for a caller.
type Verdict struct {
	// ExitCode of an exec'd hook (design section 3).
	ExitCode int
	// HTTPStatus of an answer (design section 9).
	HTTPStatus int
}

// The exit codes that are not an outcome's.
const (
	ExitFailed = 1
	// ExitUsage is bad usage or bad configuration.
	ExitUsage = 2
	// ExitTimedOut is timeout(1)'s.
	ExitTimedOut = 124
	// ExitInterrupted is 128+SIGTERM, where the signal is not known better.
	ExitInterrupted = 143
)

// Judge is the one table from an outcome or an error to what a caller is told.
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
