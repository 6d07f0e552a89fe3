package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	defaultDebounce = time.Second
	minDebounce     = 10 * time.Millisecond
	maxDebounce     = time.Minute
	maxWatched      = 100
)

// watch reads the paths at whose change the hook runs.
func (d *decoder) watch(v value, hook string) []string {
	if slices.Contains(Builtin(), hook) {
		d.wrong(v, fmt.Sprintf("%s is run at its own moment of the container's life; write watch into a hook of your own, such as reload", hook))
		return nil
	}
	const allowed = "a list of files and directories, such as [/etc/nginx]"
	items := d.items(v, allowed)
	if n := len(items); n > maxWatched || n == 0 && (v.isNull() || v.node.Kind == yaml.SequenceNode) {
		d.wrong(v, fmt.Sprintf("%s; at least one and at most %d", allowed, maxWatched))
	}
	var list []string
	for _, item := range items {
		path := d.absPath(item)
		switch clean := filepath.Clean(path); {
		case path == "":
		case clean == "/", within(clean, "/proc"), within(clean, "/sys"):
			d.refuse(item, "a path that tells of its changes; / is too much, and /proc and /sys tell of none")
		default:
			list = append(list, clean)
		}
	}
	return list
}

func (d *decoder) debounce(v value) time.Duration {
	t := d.duration(v)
	if t != 0 && (t < minDebounce || t > maxDebounce) {
		d.refuse(v, "a duration from %v to %v", minDebounce, short(maxDebounce))
	}
	return t
}

// checkWatch checks the fields of a hook against each other.
func (d *decoder) checkWatch(v value, h *Hook) {
	switch {
	case lacks(v, "watch"):
		if h.Debounce != 0 {
			d.add(Problem{Pos: h.Pos, Field: v.path + ".debounce", Msg: "means nothing without watch"})
		}
		return
	case h.Debounce == 0:
		h.Debounce = defaultDebounce
	}
	for _, path := range h.Watch {
		if h.Marker != "" && within(filepath.Clean(h.Marker), path) {
			d.add(Problem{Pos: h.Pos, Field: v.path + ".marker", Value: h.Marker,
				Msg: "is in " + path + ", which the hook watches: each run would be followed by another; write a path elsewhere"})
		}
	}
}

// within reports whether a path is a directory or below it.
func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// Watches reports whether a hook is run at a change of files.
func (c *Config) Watches() bool {
	for _, h := range c.Hooks {
		if len(h.Watch) > 0 {
			return true
		}
	}
	return false
}

// File returns the file that the configuration comes from, or "".
func (c *Config) File() string {
	if c.text == nil || c.source.Text != "" {
		return ""
	}
	path, _ := c.source.file()
	return path
}
