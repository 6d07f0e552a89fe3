// Package lifecycle is the life of a container under podhook run. It is a state
// machine: what happens moves it from one phase to the next, and each phase says
// what a signal, a call of shutdown, the end of the grace period or the end of the
// main process means.
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
//   - The main process is podhook's child, the container's CMD.
//   - A stop signal asks the container to stop (PODHOOK_STOP_SIGNALS). The first one
//     begins the stop; more of them show impatience.
//   - To drain is to run shutdown while the main process serves; to terminate is to
//     give the main process its stop signal.
//   - To call a hook off is to interrupt its run, or the run that begins next.
//   - The grace period is the time from the preStop, or else from the stop signal, to
//     the SIGKILL of kubelet or of the container engine.
//   - A preStop is a call of shutdown, by HTTP or exec, that kubelet has made for this
//     stop. preStop.go decides which calls are taken for one.
package lifecycle
