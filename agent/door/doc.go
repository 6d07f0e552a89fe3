// Package door is where callers come in: a listener for TCP or a Unix socket (listen.go),
// with TLS (tls.go), that bounds its connections so that nobody can keep others out
// (connections.go).
package door
