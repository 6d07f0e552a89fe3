// Package hooks runs hooks: once in an instance, joined by whoever calls in the
// meantime, step by step under a budget of time, recorded so that every process
// of the container knows the outcome.
//
// Data flows one way: configuration (hooks/config) -> hook -> run -> result
// (hooks/state) -> shown by an Observer. The package knows neither HTTP nor
// Prometheus.
package hooks
