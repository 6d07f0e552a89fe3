// Package supervisor is podhook as PID 1. It starts the main process with exactly what it
// would have without podhook, forwards signals, reaps orphans and gives it the terminal.
package supervisor
