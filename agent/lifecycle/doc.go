// Package lifecycle is the life of a container under podhook run, as a state machine.
// Signals, calls of shutdown, the end of the grace period and the end of the main
// process move it from one phase to the next.
//
//	starting ------------------------------> abandoned
//	   |      a stop signal comes,               |
//	   |      shutdown is called                 |
//	   | prestart has succeeded                  |
//	   | (a failed one ends the container)       |
//	   v                                         |
//	running ------------------+                  |
//	   | a stop signal comes  |                  |
//	   v                      | the main         |
//	draining -----------------+ process ends     |
//	   | shutdown has ended,  |                  |
//	   | is called off, or    |                  |
//	   | must not be awaited  |                  |
//	   v                      v                  v
//	terminating ----------> ended ------------> exit
//
// The words:
//
//   - The main process is the child of podhook, the CMD of the container.
//   - A stop signal asks the container to stop (PODHOOK_STOP_SIGNALS). The first one
//     begins the stop; further ones show impatience.
//   - To drain is to run shutdown while the main process serves. To terminate is to
//     send the main process its stop signal.
//   - To call off a hook is to interrupt its run, or its next run.
//   - The grace period is the time from the preStop, or else from the stop signal, to
//     the SIGKILL of kubelet or of the container engine.
//   - A preStop is a call of shutdown, by HTTP or exec, that kubelet has made for this
//     stop. prestop.go decides which calls count as one.
package lifecycle
