package config

import (
	"fmt"
	"slices"
	"strings"
)

const maxURLPath = 255

// builtinPaths lists the paths of the agent. The paths below /hooks/ belong to it too.
func builtinPaths() []string {
	return []string{"/" + Prestart, "/" + Shutdown, "/hooks", "/status", "/metrics", "/livez", "/healthz", "/readyz"}
}

// paths reads more HTTP paths of a hook. They are compared as they are written.
func (d *decoder) paths(v value, hook string) []string {
	const allowed = "a list of HTTP paths, such as [/api/shutdown]"
	var list []string
	for _, item := range d.items(v, allowed) {
		path, ok := d.text(item, "an HTTP path, such as /api/shutdown")
		if !ok {
			continue
		}
		if msg := badURLPath(path); msg != "" {
			d.refuse(item, "%s", msg)
		} else if d.claim(item, hook, "path", path) {
			list = append(list, path)
		}
	}
	return list
}

func badURLPath(path string) string {
	switch {
	case !strings.HasPrefix(path, "/"):
		return "an HTTP path begins with /, such as /api/shutdown"
	case len(path) > maxURLPath:
		return "an HTTP path of at most 255 bytes"
	case strings.ContainsFunc(path, notInURLPath):
		return "an HTTP path of letters, digits, / and -._~!$&'()+,;=:@ only; no wildcards, no query"
	}
	for _, part := range strings.Split(strings.TrimSuffix(path[1:], "/"), "/") {
		if part == "." || part == ".." || part == "" && path != "/" {
			return "an HTTP path without empty, . and .. parts"
		}
	}
	plain := strings.TrimSuffix(path, "/")
	if slices.Contains(builtinPaths(), plain) || strings.HasPrefix(path, "/hooks/") {
		return "a path of podhook's own; taken are " + strings.Join(builtinPaths(), ", ") + " and all below /hooks/"
	}
	return ""
}

// notInURLPath reports whether a path may not contain the character. It allows pchar of
// RFC 3986 except % and *, which an HTTP router and a client may understand differently.
func notInURLPath(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !strings.ContainsRune("/-._~!$&'()+,;=:@", r)
}

// claim says which hook has a path or a marker. No other hook can have it too.
type claim struct {
	hook string
	line int
}

// claim takes a path or a marker for a hook. It adds a problem and returns false if that
// is taken already.
func (d *decoder) claim(v value, hook, what, text string) bool {
	key := what + " " + text
	if other, taken := d.first[key]; taken {
		d.add(Problem{Pos: d.pos(v), Field: v.path, Value: text,
			Msg: fmt.Sprintf("is already a %s of the hook %s, on line %d", what, other.hook, other.line)})
		return false
	}
	d.first[key] = claim{hook, v.node.Line}
	return true
}
