package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

const (
	minDuration = time.Millisecond
	maxDuration = 24 * time.Hour
	// maxPath is PATH_MAX without the final NUL, see limits.h(0p).
	maxPath = 4095
	// maxArg is MAX_ARG_STRLEN of execve(2), 32 pages, without the final NUL.
	maxArg = 32*4096 - 1
)

const scalarNode = yaml.ScalarNode

// text reads a scalar with its variables replaced. It takes the text of the file, so that
// 1.10 and yes stay what they are.
func (d *decoder) text(v value, allowed string) (string, bool) {
	v = v.resolved()
	if v.node.Kind != scalarNode || v.isNull() {
		d.refuse(v, "%s", allowed)
		return "", false
	}
	return d.expanded(v)
}

// literal reads a scalar without replacing variables, for names that must be the same in
// every container.
func (d *decoder) literal(v value, allowed string) (string, bool) {
	v = v.resolved()
	if v.node.Kind != scalarNode || v.isNull() {
		d.refuse(v, "%s", allowed)
		return "", false
	}
	return v.node.Value, true
}

func (d *decoder) number(v value, least, most int) int {
	text, ok := d.text(v, fmt.Sprintf("a number from %d to %d", least, most))
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		d.refuse(v, "a number from %d to %d", least, most)
		return 0
	}
	return n
}

func (d *decoder) duration(v value) time.Duration {
	text, ok := d.text(v, DurationNeeded(""))
	if !ok {
		return 0
	}
	found, err := time.ParseDuration(text)
	switch {
	case err != nil || text == "0":
		d.refuse(v, "%s", DurationNeeded(v.node.Value)) // never the value of a variable
	case found < minDuration || found > maxDuration:
		d.refuse(v, "a duration from 1ms to 24h")
	default:
		return found
	}
	return 0
}

// DurationNeeded says what to write instead of a text that is no duration. A bare number
// gets the unit of Kubernetes' fields, seconds.
func DurationNeeded(text string) string {
	for _, unit := range []struct{ given, right string }{{"", "s"}, {"sec", "s"}, {"secs", "s"}, {"second", "s"}, {"seconds", "s"},
		{"min", "m"}, {"mins", "m"}, {"minute", "m"}, {"minutes", "m"}, {"hour", "h"}, {"hours", "h"}} {
		number := strings.TrimSpace(strings.TrimSuffix(text, unit.given))
		if n, err := strconv.ParseFloat(number, 64); err == nil && n > 0 && n < 1e6 && strings.HasSuffix(text, unit.given) {
			return "a duration needs a unit: write " + number + unit.right
		}
	}
	return "a duration with a unit, such as 5s or 1m30s"
}

func (d *decoder) boolean(v value) bool {
	const allowed = "true or false"
	text, ok := d.text(v, allowed)
	if ok && text != "true" && text != "false" {
		d.refuse(v, allowed)
	}
	return text == "true"
}

// absPath reads an absolute path.
func (d *decoder) absPath(v value) string {
	const allowed = "an absolute path, such as /etc/podhook/file"
	text, ok := d.text(v, allowed)
	switch {
	case !ok:
	case strings.ContainsFunc(text, unicode.IsControl):
		d.refuse(v, "a path without control characters")
	case !strings.HasPrefix(text, "/"):
		d.refuse(v, allowed)
	case len(text) > maxPath:
		d.refuse(v, "a path of at most %d bytes", maxPath)
	default:
		return text
	}
	return ""
}

// argument reads a text that execve(2) accepts.
func (d *decoder) argument(v value, allowed string) (string, bool) {
	text, ok := d.text(v, allowed)
	switch {
	case !ok:
	case strings.ContainsRune(text, 0):
		d.refuse(v, "a NUL byte cannot be passed to a program")
	case len(text) > maxArg:
		d.refuse(v, "at most %d bytes can be passed to a program in one piece", maxArg)
	default:
		return text, true
	}
	return "", false
}
