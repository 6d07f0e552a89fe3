package show

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"

	"github.com/podhook/podhook/hooks/process"
)

// textHandler writes a record as one line for people:
//
//	12:03:04.123 prestart/render-config | rendering
//	12:03:05.000 WARN shutdown/deregister attempt 1 of 3 failed: exited with code 75, next in 0.4 s
//
// Control characters are escaped, so that a line of a step stays one line and cannot move
// the cursor of a terminal.
type textHandler struct {
	w     io.Writer // gets a whole line with each Write
	attrs []slog.Attr
}

// Enabled is the method of slog.Handler. Debug is left out.
func (h textHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

// WithGroup is the method of slog.Handler. Groups have no place in a line for people.
func (h textHandler) WithGroup(string) slog.Handler { return h }

// WithAttrs is the method of slog.Handler.
func (h textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return textHandler{h.w, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

// Handle is the method of slog.Handler.
func (h textHandler) Handle(_ context.Context, r slog.Record) error {
	f := fields{}
	for _, a := range h.attrs {
		f.add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		f.add(a)
		return true
	})
	switch {
	case r.Message == msgOutput:
		f.add(slog.String("mark", mark(f.value("stream"))))
	case r.Message == msgStepEnded && strings.HasPrefix(f.value("error"), f.value("outcome")):
		f.take("outcome") // a timeout says so itself
	}
	var line strings.Builder
	line.WriteString(r.Time.Format("15:04:05.000 "))
	if r.Level != slog.LevelInfo {
		line.WriteString(r.Level.String() + " ")
	}
	if hook := f.take("hook"); hook != "" {
		line.WriteString(hook)
		if step := f.take("step"); step != "" {
			line.WriteString("/" + step)
		}
		line.WriteString(" ")
	}
	line.WriteString(f.sentence(r.Message))
	_, err := io.WriteString(h.w, visible(line.String())+"\n")
	return err
}

// phrases are the sentences for messages that read badly with their attributes behind
// them. {NAME} stands for an attribute; a part in brackets is left out without it.
func phrases() map[string]string {
	return map[string]string{
		msgOutput:       "{mark} {line}",
		msgWords:        "{line}",
		msgBegan:        "begins, called by {trigger}[, after {after}]",
		msgEnded:        "{outcome} after {seconds} s[: {reason}]",
		msgStepEnded:    "[{outcome}: ]{error}",
		msgStepSkipped:  "skipped: {reason}",
		MainStarted:     "main process started: {program}, pid {pid}",
		MainEnded:       "main process {how} after {seconds} s",
		StopSignal:      "{signal} received[: {effect}]",
		StopReason:      "the container is stopped: {reason}",
		UnknownPath:     "{caller} asked for {path}, which nothing answers[, {hint}]",
		Refused:         "{caller} may not ask for {path}: {error}",
		Figures:         "podhook ends[, exit code {code}][, stopped in {stop_seconds} s][, reason {stop_reason}][, shutdown {shutdown}][ after {shutdown_seconds} s][, runs {runs}][, failed {failures}]",
		"configuration": "{problem}",
	}
}

// mark tells the streams of a step apart in the form for people.
func mark(stream string) string {
	if stream == string(process.Stderr) {
		return "!"
	}
	return "|"
}

// fields are the attributes of a record, in order.
type fields struct{ names, values []string }

func (f *fields) add(a slog.Attr) {
	f.names, f.values = append(f.names, a.Key), append(f.values, a.Value.Resolve().String())
}

// take removes an attribute and returns its value, or "".
func (f *fields) take(name string) (value string) {
	for i := range f.names {
		if f.names[i] == name {
			value, f.names[i] = f.values[i], ""
		}
	}
	return value
}

// sentence returns the message with its attributes: by its phrase, or behind it.
func (f *fields) sentence(msg string) string {
	phrase, ok := phrases()[msg]
	if !ok {
		if err := f.take("error"); err != "" {
			msg += ": " + err
		}
		var rest []string
		for i, name := range f.names {
			if name != "" {
				rest = append(rest, name+" "+f.values[i])
			}
		}
		if len(rest) > 0 {
			msg += " (" + strings.Join(rest, ", ") + ")"
		}
		return msg
	}
	var b strings.Builder
	for _, part := range strings.SplitAfter(phrase, "[") {
		optional, after, found := strings.Cut(part, "]")
		if !found {
			b.WriteString(f.fill(strings.TrimSuffix(part, "[")))
			continue
		}
		if name := between(optional); f.value(name) != "" {
			b.WriteString(f.fill(optional))
		}
		b.WriteString(f.fill(strings.TrimSuffix(after, "[")))
	}
	return b.String()
}

// between returns the name of the first attribute in a part of a phrase.
func between(part string) string {
	_, rest, _ := strings.Cut(part, "{")
	name, _, _ := strings.Cut(rest, "}")
	return name
}

func (f *fields) value(name string) string {
	for i := range f.names {
		if f.names[i] == name {
			return f.values[i]
		}
	}
	return ""
}

// fill replaces each {NAME} of a part; values are not looked at again.
func (f *fields) fill(part string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(part, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		b.WriteString(f.value(name))
		part = after
	}
}

// visible escapes control characters, and what is no UTF-8.
func visible(s string) string {
	odd := func(r rune) bool { return unicode.IsControl(r) && r != '\t' || r == unicode.ReplacementChar }
	if strings.IndexFunc(s, odd) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !odd(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(unicode.ReplacementChar)
		}
	}
	return b.String()
}
