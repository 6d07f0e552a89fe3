// Package hooks runs hooks. A hook runs once in an instance of a container; further
// callers join the run or get its outcome. Steps run within a budget of time. The
// record of a run tells every process of the container the outcome.
//
// A call takes this way: Runner.Start (runner.go) begins or joins a Flight (flight.go);
// the flight takes the hook's lock (once.go); the run (run.go) plans its steps (plan.go)
// and runs them in order (steps.go), each in one or more attempts (attempts.go) of its
// action (action_KIND.go). scope.go decides what a failure means for the rest. The
// record, the output and the marker go to hooks/state (journal.go, marker.go).
//
// The package imports no HTTP server and no Prometheus.
package hooks
