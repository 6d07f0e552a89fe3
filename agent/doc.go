// Package agent is the HTTP agent of one container.
//
// An Agent answers over HTTP, for podhook serve (serve.go) or alongside CMD of podhook
// run (beside.go). A request passes the listener (doors.go, package door), the limits of the
// server (server.go), the router (routes.go), which also counts it (request_counter.go) and
// makes a failed hook fail for kubelet (kubelet_failure.go), and the check of its right
// (refusals.go, package access).
// A call of a hook (hook_calls.go) starts or joins a run of the hooks.Runner. Probes
// (health.go), GET /status (status.go) and GET /metrics (metrics.go) only read the
// state, where exec'd hooks leave their records too.
//
// A Configuration keeps the hooks in force, and the last good ones if the newest are
// broken. podhook serve also searches for the main process (watch_main.go) and takes
// over from an agent that has died (take_over.go).
package agent
