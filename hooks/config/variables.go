package config

import "slices"

// The variables by which the program of a step learns of its run, and by which podhook
// finds the program again. Their prefix is PODHOOK_.
const (
	EnvHook    = "PODHOOK_HOOK"
	EnvStep    = "PODHOOK_STEP"
	EnvRunID   = "PODHOOK_RUN_ID"
	EnvAttempt = "PODHOOK_ATTEMPT"
	EnvTrigger = "PODHOOK_TRIGGER"
	// EnvDeadline is the end of the attempt, as in RFC 3339.
	EnvDeadline = "PODHOOK_DEADLINE"
	// EnvCallers lists the runs that wait for this one, as HOOK/RUN, outermost first.
	EnvCallers = "PODHOOK_CALLERS"
	// EnvStopReason is set in shutdown and poststop.
	EnvStopReason = "PODHOOK_STOP_REASON"
	// EnvMainExitCode and EnvMainExitSignal are set in poststop.
	EnvMainExitCode   = "PODHOOK_MAIN_EXIT_CODE"
	EnvMainExitSignal = "PODHOOK_MAIN_EXIT_SIGNAL"
)

// StepVariables lists the variables that podhook sets for steps. A configuration
// cannot set them.
func StepVariables() []string {
	return []string{
		EnvHook, EnvStep, EnvRunID, EnvAttempt, EnvTrigger, EnvDeadline, EnvCallers,
		EnvStopReason, EnvMainExitCode, EnvMainExitSignal,
	}
}

func reserved(name string) bool { return slices.Contains(StepVariables(), name) }
