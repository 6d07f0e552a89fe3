package config

import (
	"strings"
	"unicode"
)

// Nearest returns the name that was probably meant, or "". It ignores case and the
// marks between words, so that it finds killAfter for killafter and onFailure for
// on_failure.
func Nearest(given string, names []string) string {
	const longest = 40
	if len(given) > longest {
		return ""
	}
	best, found, folded := 0, "", fold(given)
	for _, name := range names {
		far := distance(folded, fold(name))
		if far > 1+len(name)/4 || far >= len(name) {
			continue
		}
		if found == "" || far < best {
			best, found = far, name
		}
	}
	return found
}

// fold is a Map because a Replacer takes 6 kB for each name, which an idle agent keeps.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// distance counts the insertions, removals, changes and swaps of neighbours that make b
// of a (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
