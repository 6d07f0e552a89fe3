package config

import (
	"errors"
	"fmt"
	"strings"
)

// maxExpanded bounds the size of all values after the replacement of variables, in
// bytes: a short text may name a long variable many times.
const maxExpanded = 4 << 20

// VariableError is a ${...} that cannot be replaced.
type VariableError struct {
	Msg string
	// Unset is true if the variable is not set, which another environment can mend.
	Unset bool
}

func (e *VariableError) Error() string { return e.Msg }

// Expand replaces ${NAME} by the value of a variable, ${NAME:-TEXT} by TEXT if the
// variable is unset or empty, and $$ by $. Any other $ stays, so that $X and $(...) in
// a shell line need no escape. The error is a *VariableError, also for a result of more
// than limit bytes.
func Expand(text string, lookup func(name string) (string, bool), limit int) (string, error) {
	var out strings.Builder
	for {
		plain, rest, found := strings.Cut(text, "$")
		out.WriteString(plain)
		switch {
		case !found:
			return out.String(), nil
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			text = rest[1:]
		case !strings.HasPrefix(rest, "{"):
			out.WriteByte('$')
			text = rest
		default:
			body, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				return "", &VariableError{Msg: "${ without a }; write $${ to keep it as it is"}
			}
			value, err := variable(body, lookup)
			if err != nil {
				return "", err
			}
			if out.Len()+len(value) > limit {
				return "", &VariableError{Msg: fmt.Sprintf("more than %d bytes once its variables are replaced", limit)}
			}
			out.WriteString(value)
			text = after
		}
	}
}

// variable returns the value for the text between ${ and }.
func variable(body string, lookup func(string) (string, bool)) (string, error) {
	name, fallback, hasFallback := strings.Cut(body, ":-")
	if !isVariable(name) || strings.Contains(fallback, "${") {
		return "", &VariableError{Msg: "a ${...} that is neither ${NAME} nor ${NAME:-TEXT}; write $${ to leave it to a shell"}
	}
	value, set := lookup(name)
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case set:
		return value, nil
	case reserved(name):
		return "", &VariableError{Msg: fmt.Sprintf("the variable %s is set for the step's program alone; write $${%s} to leave it to a shell", name, name)}
	}
	return "", &VariableError{Unset: true,
		Msg: fmt.Sprintf("the variable %s is not set; ${%s:-TEXT} gives a default, $${ leaves it to a shell", name, name)}
}

// isVariable reports whether POSIX allows the name of a variable.
func isVariable(name string) bool { return isMetricName(name, "") }

// lookup returns a function that finds variables of an environment. The first entry of
// a name counts, as in getenv(3).
func lookup(environ []string) func(string) (string, bool) {
	table := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if _, twice := table[name]; !twice {
			table[name] = value
		}
	}
	return func(name string) (string, bool) {
		value, ok := table[name]
		return value, ok
	}
}

// expanded returns the text of a value with its variables replaced.
func (d *decoder) expanded(v value) (string, bool) {
	text := v.node.Value
	if !strings.Contains(text, "$") {
		return text, true
	}
	if d.lookup == nil {
		d.lookup = lookup(d.environ)
	}
	text, err := Expand(text, d.lookup, maxExpanded-d.grown)
	if err != nil {
		p := d.refusal(v, "%s", err)
		var bad *VariableError
		p.unset = errors.As(err, &bad) && bad.Unset
		d.add(p)
		return "", false
	}
	d.grown += len(text)
	return text, true
}
