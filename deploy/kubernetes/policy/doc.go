// Package policy proves the admission policies of this folder with the API server's own code.
package policy
