// Package exposition reads as much of Prometheus' text format
// (prometheus.io/docs/instrumenting/exposition_formats) as it needs to sum the series of
// one metric. It keeps one line in memory.
package exposition

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxLine bounds one line, in bytes.
const maxLine = 64 << 10

// Label is one label of a series.
type Label struct{ Name, Value string }

// Sum is the result of Add.
type Sum struct {
	// Value is the sum of the matching series. It is NaN if one of them is.
	Value float64
	// Matched counts the matching series, and Series those of all metrics.
	Matched, Series int
	// Unended is true where the last line has no newline and is no "# EOF". If the
	// source cannot tell its end from a broken connection, the text may have been
	// cut there, and Value may be wrong.
	Unended bool
}

// LineError says that a line does not have the format.
type LineError struct {
	Line int
	Msg  string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// Add sums the values of all series of a metric that have all the given labels. They may
// have other labels too. It reads only the name in lines of other metrics. The error is a
// *LineError or that of r.
func Add(r io.Reader, metric string, labels []Label) (Sum, error) {
	reader := bufio.NewReaderSize(r, maxLine)
	var sum Sum
	for n := 1; ; n++ {
		line, readErr := reader.ReadSlice('\n')
		line = bytes.TrimSpace(line)
		value, is, err := series(line, metric, labels)
		unended := len(line) > 0 && string(line) != "# EOF"
		long := errors.Is(readErr, bufio.ErrBufferFull)
		for errors.Is(readErr, bufio.ErrBufferFull) {
			_, readErr = reader.ReadSlice('\n')
		}
		if readErr != nil && !errors.Is(readErr, io.EOF) {
			return Sum{}, readErr
		}
		switch {
		case long && (err != nil || is == matches || len(line) <= len(metric)):
			return Sum{}, &LineError{n, fmt.Sprintf("longer than %d bytes", maxLine)}
		case err != nil:
			return Sum{}, &LineError{n, err.Error()}
		case is == matches:
			sum.Value += value
			sum.Matched++
			sum.Series++
		case is == other:
			sum.Series++
		}
		if readErr != nil {
			sum.Unended = unended
			return sum, nil
		}
	}
}

// verdict says what a line means for the sum.
type verdict int

const (
	noSeries verdict = iota // a comment or an empty line
	other                   // a series that does not match
	matches
)

// series parses one line without the white space around it.
func series(line []byte, metric string, labels []Label) (float64, verdict, error) {
	if len(line) == 0 || line[0] == '#' {
		return 0, noSeries, nil
	}
	rest, ok := bytes.CutPrefix(line, []byte(metric))
	if !ok || len(rest) > 0 && !bytes.ContainsRune([]byte(" \t{"), rune(rest[0])) {
		return 0, other, nil
	}
	rest = bytes.TrimLeft(rest, " \t")
	missing := len(labels)
	if len(rest) > 0 && rest[0] == '{' {
		var err error
		if rest, missing, err = readLabels(rest[1:], labels); err != nil {
			return 0, noSeries, err
		}
	}
	text, rest, _ := bytes.Cut(bytes.TrimLeft(rest, " \t"), []byte(" "))
	text, _, _ = bytes.Cut(text, []byte("\t"))
	value, err := strconv.ParseFloat(string(text), 64)
	// ErrRange comes with an infinity, which is the value.
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, noSeries, fmt.Errorf("%.40q is not a value", text)
	}
	if rest = bytes.TrimSpace(rest); len(rest) > 0 && rest[0] != '#' {
		if _, err := strconv.ParseFloat(string(rest), 64); err != nil {
			return 0, noSeries, fmt.Errorf("%.40q is not a timestamp", rest)
		}
	}
	if missing > 0 {
		return 0, other, nil
	}
	return value, matches, nil
}

// readLabels parses the text between { and }. It returns the text after it, and how many
// of the wanted labels are missing.
func readLabels(rest []byte, wanted []Label) (after []byte, missing int, err error) {
	missing = len(wanted)
	found := make([]bool, len(wanted)) // a broken line may name a label twice
	for {
		rest = bytes.TrimLeft(rest, " \t")
		if len(rest) > 0 && rest[0] == '}' {
			return rest[1:], missing, nil
		}
		name, quoted, cut := bytes.Cut(rest, []byte("="))
		quoted = bytes.TrimLeft(quoted, " \t")
		if name = bytes.TrimSpace(name); !cut || len(name) == 0 || len(quoted) == 0 || quoted[0] != '"' {
			return nil, 0, errors.New("a label without a quoted value")
		}
		value, tail, err := unquote(quoted[1:])
		if err != nil {
			return nil, 0, err
		}
		for i, l := range wanted {
			if !found[i] && l.Name == string(name) && l.Value == value {
				found[i] = true
				missing--
			}
		}
		rest = bytes.TrimLeft(tail, " \t")
		if len(rest) == 0 || rest[0] != ',' && rest[0] != '}' {
			return nil, 0, errors.New("a label's value is followed by neither , nor }")
		}
		rest = bytes.TrimPrefix(rest, []byte(","))
	}
}

// unquote reads up to the closing quote. The format has the escapes \\, \" and \n.
func unquote(rest []byte) (value string, after []byte, err error) {
	end := bytes.IndexAny(rest, "\"\\")
	if end >= 0 && rest[end] == '"' {
		return string(rest[:end]), rest[end+1:], nil
	}
	var text []byte
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			return string(text), rest[i+1:], nil
		case c == '\\' && i+1 < len(rest):
			i++
			switch rest[i] {
			case 'n':
				text = append(text, '\n')
			case '\\', '"':
				text = append(text, rest[i])
			default:
				text = append(text, '\\', rest[i]) // as Prometheus does
			}
		default:
			text = append(text, c)
		}
	}
	return "", nil, errors.New("a label's value has no closing quote")
}
