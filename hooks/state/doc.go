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
//	DIR/hooks/NAME/marker    "this hook has succeeded in instance ID"
//	DIR/hooks/NAME/output.RUN.OFFSET  pieces of the last run's output
//
// run.json, marker and config.json are written to NAME.tmp, synced and
// renamed, so a crash leaves the old or the new and a NAME.tmp that the next
// writer uses up. One directory is for one container: two containers that are
// given the same one would run each other's hooks again.
package state
