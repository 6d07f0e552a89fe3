// Package hookname holds the rule for the name of a hook, which is a part of paths of
// files and of URLs.
package hookname

import "strings"

// Rule is what Valid asks for.
const Rule = "a hook's name is a DNS label (RFC 1123): a-z, 0-9 and - inside, at most 63 characters"

// Valid reports whether a name is a DNS label of RFC 1123 in lower case, as in
// Kubernetes.
func Valid(name string) bool {
	if name == "" || len(name) > 63 || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	})
}
