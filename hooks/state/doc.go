// Package state keeps what podhook knows about a container on disk: which
// instance this is, the lock, the marker, the last run's record and the bounded
// output of each hook. Every process of a container comes to the same
// directory, so it is also how they meet.
package state
