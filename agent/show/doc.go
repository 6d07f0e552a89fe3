// Package show puts what hooks do where a person will find it: the container's
// log, the termination message and the summary of an exec'd hook.
package show
