// Package access decides who may do what over HTTP. The table of rights is in rights.go,
// and README.md of the package agent has the same one for users. A caller proves itself by
// a token (tokens.go), a client certificate, the network that it comes from (networks.go),
// or as the peer of a Unix socket (peer.go).
package access
