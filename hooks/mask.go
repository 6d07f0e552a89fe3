package hooks

import (
	"bytes"
	"os"
	"sort"

	"github.com/podhook/podhook/hooks/process"
)

const (
	// masked stands for a secret.
	masked = "***"
	// leastSecret is the length, in bytes, from which a line of a file is masked: a shorter
	// one is in many words.
	leastSecret = 4
	// maxSecrets bounds a file of secrets, in bytes.
	maxSecrets = 64 << 10
)

// mask replaces secrets in output.
type mask [][]byte

// readMask reads the files whose lines are secrets. It returns those that cannot be read.
func readMask(files []string) (m mask, unread []string) {
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxSecrets {
			unread = append(unread, path)
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			unread = append(unread, path)
		}
		for line := range bytes.Lines(text) {
			if line = bytes.TrimSpace(line); len(line) >= leastSecret {
				m = append(m, line)
			}
		}
	}
	// The longest first: a secret may contain another one.
	sort.Slice(m, func(i, j int) bool { return len(m[i]) > len(m[j]) })
	return m, unread
}

// hide returns the text without the secrets.
func (m mask) hide(text []byte) []byte {
	for _, secret := range m {
		if bytes.Contains(text, secret) {
			text = bytes.ReplaceAll(text, secret, []byte(masked))
		}
	}
	return text
}

// hideLine returns the text of a line without the secrets. One that is cut can end with the
// beginning of a secret.
func (m mask) hideLine(l process.Line) []byte {
	end := len(l.Text)
	for _, secret := range m {
		for n := min(len(secret)-1, len(l.Text)); l.Dropped > 0 && n >= leastSecret; n-- {
			if bytes.HasSuffix(l.Text, secret[:n]) {
				end = min(end, len(l.Text)-n)
				break
			}
		}
	}
	if end == len(l.Text) {
		return m.hide(l.Text)
	}
	return append(m.hide(l.Text[:end:end]), masked...)
}
