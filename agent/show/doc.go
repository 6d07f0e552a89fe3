// Package show writes what hooks do to the log of the container, the termination
// message and the summary of an exec'd hook.
package show
