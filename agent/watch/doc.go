// Package watch tells when the content of files and directories has changed: by
// inotify(7), or by looking again and again where inotify has nothing left. An event only
// says that it is time to look; what counts is whether the content is another one.
package watch
