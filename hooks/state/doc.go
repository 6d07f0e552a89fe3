// Package state keeps podhook's state of a container in files: the lock, the marker, the
// record of the last run and the bounded output of each hook. It also tells the
// container's instances apart. All processes of a container use the same directory, and
// communicate by it.
//
// Layout, files 0600 and directories 0700:
//
//	DIR/config.json          the last good configuration of an instance
//	DIR/config.lock          taken to write it
//	DIR/hooks/NAME/lock      flock of the process that runs the hook
//	DIR/hooks/NAME/run.json  the record of the last run
//	DIR/hooks/NAME/marker    exists while the hook has succeeded, for test -e
//	DIR/hooks/NAME/spare.N   space for a record if the file system is full
//	DIR/hooks/NAME/output.RUN.OFFSET  pieces of the last run's output
//
// run.json, marker and config.json are written to NAME.tmp and renamed, so a killed
// process leaves the old or the new file, and a NAME.tmp that the next writer replaces.
// Nothing is synced: a record belongs to one instance, and no instance survives a crash
// of the kernel. A file that the crash has damaged does not begin with the ID of a later
// instance. One directory is for one container: two containers with the same directory
// would take each other's records for outdated and run hooks again.
package state
