package show

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/podhook/podhook/hooks/state"
)

// failedTail returns the last lines of the step that decided the outcome of the run.
func failedTail(rec state.Record) []string {
	for _, s := range rec.Steps {
		// A step whose failure is ignored can come before it.
		if strings.HasPrefix(rec.Reason, "step "+s.Name+": ") {
			return s.Tail
		}
	}
	for _, s := range rec.Steps {
		if s.Outcome != state.Succeeded && s.Outcome != state.Skipped && len(s.Tail) > 0 {
			return s.Tail
		}
	}
	return nil
}

// bounded returns head and as many of the last lines as fit into limit bytes, and at
// least the end of the last one.
func bounded(head string, tail []string, limit int) string {
	head = Cut(strings.ToValidUTF8(head, "\uFFFD"), limit-1)
	room := limit - len(head) - 1
	var lines []string
	for i := len(tail) - 1; i >= 0; i-- {
		line := strings.ToValidUTF8(tail[i], "\uFFFD")
		if len(line)+1 > room && len(lines) == 0 && room > 1 {
			line = cutStart(line, room-1)
		}
		if room -= len(line) + 1; room < 0 {
			break
		}
		lines = append(lines, line)
	}
	slices.Reverse(lines)
	return strings.Join(append([]string{head}, lines...), "\n") + "\n"
}

// cutStart shortens UTF-8 to at most the last limit bytes, without splitting a character.
func cutStart(s string, limit int) string {
	first := max(0, len(s)-limit)
	for first < len(s) && !utf8.RuneStart(s[first]) {
		first++
	}
	return s[first:]
}

// Cut shortens UTF-8 to at most limit bytes without splitting a character.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// OutcomeWords is an outcome for people, such as "timed out".
func OutcomeWords(o state.Outcome) string { return strings.ReplaceAll(string(o), "_", " ") }

// Count returns a number and its noun, such as "1 step" or "2 steps".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
