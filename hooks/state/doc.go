// Package state keeps podhook's state of a container in files: the lock, the marker, the
// record of the last run and the bounded output of each hook. It also tells the
// container's instances apart. All processes of a container use the same directory, and
// communicate by it.
//
// Layout, files 0600 and directories 0700:
//
//	DIR/config.json          the last good configuration of an instance
//	DIR/config.lock          taken to write it
//	DIR/hooks/NAME/run.json  the last runs, as lines of JSON, and zeros; its flock is that of the process that runs the hook
//	DIR/hooks/NAME/marker    exists while the hook has succeeded, for test -e; else it is marker.off
//	DIR/hooks/NAME/callers   flocks of exec'd callers, and the time of the last call
//	DIR/hooks/NAME/output.RUN.OFFSET  pieces of the last run's output
//
// A line of run.json begins a record, changes the last one, or is history. It is whole with
// its newline. The zeros behind the last one are space for further lines, also if the file
// system is full. When the file is too long, or of another instance, its holder replaces it
// by a new one, which it has locked before. The text of the marker is written before it
// gets its name. config.json and the others are written to NAME.tmp and renamed. So a
// killed process leaves the old or the new.
//
// Nothing is synced: a record belongs to one instance, and no instance survives a crash
// of the kernel. A file that the crash has damaged does not begin with the ID of a later
// instance, and no line is added to it. One directory is for one container: two containers
// with the same directory would take each other's records for outdated and run hooks again.
package state
