package config

import "strings"

// hidden stands in the place of what may be a secret.
const hidden = "..."

// HideURLs puts "..." in the place of the user, the password, the query and the
// fragment of the URLs in a text, all of which may be secrets. A text without a URL
// stays as it is.
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

// HideURL is HideURLs for a text that is a URL, or should be one.
func HideURL(text string) string {
	return hideQuery(hideUser(text, max(urlStart(text), 0)))
}

// hideValue is HideURL for a value that may be a URL in the wrong place.
func hideValue(text string) string {
	_, query, _ := strings.Cut(text, "?")
	if urlStart(text) >= 0 || strings.Contains(text, "@") || strings.Contains(query, "=") {
		return HideURL(text)
	}
	return text
}

// urlStart is where the part behind the scheme of the first URL begins, or -1.
func urlStart(text string) int {
	start := -1
	for _, scheme := range []string{"://", "unix:"} {
		if i := strings.Index(text, scheme); i >= 0 && (start < 0 || i+len(scheme) < start) {
			start = i + len(scheme)
		}
	}
	return start
}

// hideUser takes the last @ for the one that ends the password, which may hold others.
// Where a query may hold it, all is hidden.
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

// safeKey is as much of a key as is hardly a value: in {TOKEN:abc} and {"TOKEN=abc"}
// all of it is the key.
func safeKey(key string) string {
	if end := strings.IndexAny(key, ":=@ \t\r\n"); end >= 0 {
		return key[:end+1] + hidden
	}
	return key
}

// mayHoldSecret is true for a command line of more than plain words.
func mayHoldSecret(line string) bool { return strings.ContainsAny(line, ":=@\"'") }
