// Package state keeps what podhook knows about a container on disk: which
// instance this is, the lock, the marker, the last run's record and the bounded
// output of each hook. Every process of a container comes to the same
// directory, so it is also how they meet.
//
// Layout, files 0600 and directories 0700:
//
//	DIR/config.json          the last good configuration of an instance
//	DIR/config.lock          taken to write it
//	DIR/hooks/NAME/lock      flock of whoever runs the hook
//	DIR/hooks/NAME/run.json  the record of the last run
//	DIR/hooks/NAME/marker    there while the hook has succeeded, for test -e
//	DIR/hooks/NAME/spare.N   space for a record, should the file system be full
//	DIR/hooks/NAME/output.RUN.OFFSET  pieces of the last run's output
//
// run.json, marker and config.json are written to NAME.tmp and renamed, so a killed
// process leaves the old or the new and a NAME.tmp that the next writer replaces.
// Nothing is synced: a record speaks for one instance, and no instance survives a
// crash of the kernel. A file that was torn by one is not of this instance, which
// its first bytes would say. One directory is for one container: two containers that are
// given the same one would run each other's hooks again.
package state
