package config

import "strings"

// hidden replaces what may be a secret.
const hidden = "..."

// HideURLs replaces the user, the password, the query and the fragment of the URLs in a
// text by "...", because they may be secrets.
func HideURLs(text string) string {
	start := urlStart(text)
	if start < 0 {
		return text
	}
	words := strings.SplitAfter(hideUser(text, start), " ")
	for i, word := range words {
		if urlStart(word) >= 0 {
			words[i] = hideQuery(word)
		}
	}
	return strings.Join(words, "")
}

// HideURL is like HideURLs for a text that is, or should be, a URL.
func HideURL(text string) string {
	return hideQuery(hideUser(text, max(urlStart(text), 0)))
}

// hideValue is like HideURL for a value that may be a URL in the wrong place.
func hideValue(text string) string {
	_, query, _ := strings.Cut(text, "?")
	if urlStart(text) >= 0 || strings.Contains(text, "@") || strings.Contains(query, "=") {
		return HideURL(text)
	}
	return text
}

// urlStart returns the index after the scheme of the first URL, or -1.
func urlStart(text string) int {
	start := -1
	for _, scheme := range []string{"://", "unix:"} {
		if i := strings.Index(text, scheme); i >= 0 && (start < 0 || i+len(scheme) < start) {
			start = i + len(scheme)
		}
	}
	return start
}

// hideUser hides all before the last @, because a password may hold an @. If that may be
// part of a query, it hides the rest of the text.
func hideUser(text string, start int) string {
	at := strings.LastIndexByte(text, '@')
	switch {
	case at < start:
		return text
	case strings.ContainsAny(text[start:at], "?#"):
		return text[:start] + hidden
	}
	return text[:start] + hidden + text[at:]
}

func hideQuery(text string) string {
	end := strings.IndexAny(text, "?#")
	if end < 0 {
		return text
	}
	return text[:end+1] + hidden + text[len(strings.TrimRight(text, `":;, `)):]
}

// safeKey returns the part of a key that is not a value by mistake: the keys of
// {TOKEN:abc} and {"TOKEN=abc"} hold both.
func safeKey(key string) string {
	if end := strings.IndexAny(key, ":=@ \t\r\n"); end >= 0 {
		return key[:end+1] + hidden
	}
	return key
}

// mayHoldSecret reports whether a command line has more than plain words.
func mayHoldSecret(line string) bool { return strings.ContainsAny(line, ":=@\"'") }
