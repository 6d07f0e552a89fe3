// Package supervisor is podhook as PID 1: it starts the main process with
// exactly what it would have had without podhook, forwards signals, reaps
// orphans and passes terminals through.
package supervisor
