// Package hooks runs hooks: once in an instance, joined by whoever calls in the
// meantime, step by step under a budget of time, recorded so that every process
// of the container knows the outcome.
//
// Data flows one way: configuration (hooks/config) -> hook -> run -> result
// (hooks/state) -> shown by an Observer. The package knows no HTTP
// server and no Prometheus; requests are sent by hooks/httpcall, and conditions are
// waited for by hooks/wait.
//
// A hook's steps are planned (plan.go) and run in order, or in a group at the same
// time (steps.go), each in one or more attempts (attempts.go) of an action
// (action*.go, actions.go); what a failure counts for is in scope.go.
package hooks
