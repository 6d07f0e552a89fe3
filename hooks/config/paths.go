package config

import (
	"maps"
	"slices"
	"strings"
)

const maxURLPath = 255

// builtinPaths are those of the agent itself. Everything below /hooks/ is its
// own too.
func builtinPaths() []string {
	return []string{"/" + Prestart, "/" + Shutdown, "/hooks", "/status", "/metrics", "/livez", "/readyz"}
}

// paths are a hook's extra HTTP paths, compared as they are written.
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
		} else if slices.Contains(list, path) {
			d.refuse(item, "given twice in this list")
		} else {
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

// notInURLPath holds pchar of RFC 3986 without % and *, of which an HTTP router
// and a client could have different opinions.
func notInURLPath(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !strings.ContainsRune("/-._~!$&'()+,;=:@", r)
}

// clashes finds what two hooks cannot both have.
func (d *decoder) clashes(hooks map[string]*Hook) {
	paths, markers := map[string]*Hook{}, map[string]*Hook{}
	inOrder := slices.SortedFunc(maps.Values(hooks), func(a, b *Hook) int { return a.Pos.Line - b.Pos.Line })
	for _, h := range inOrder {
		field := "hooks." + h.Name
		for _, path := range h.Paths {
			if other := paths[path]; other != nil {
				d.add(Problem{Pos: h.Pos, Field: field + ".paths", Value: path,
					Msg: "is a path of the hook " + other.Name + " too"})
				continue
			}
			paths[path] = h
		}
		if other := markers[h.Marker]; other != nil && h.Marker != "" {
			d.add(Problem{Pos: h.Pos, Field: field + ".marker", Value: h.Marker,
				Msg: "is the marker of the hook " + other.Name + " too"})
		}
		markers[h.Marker] = h
	}
}
