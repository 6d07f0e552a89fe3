package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"

	"github.com/podhook/podhook/agent/watched"
)

// minToken is the length of the shortest token, in bytes: a shorter one can be guessed.
const minToken = 16

// tokens are the digests of all tokens that are valid.
type tokens [][sha256.Size]byte

// readTokens reads a file with one token per line. Several are for a rotation.
func readTokens(path string) (tokens, error) {
	text, err := watched.Read(path)
	if err != nil {
		return nil, err
	}
	var all tokens
	for n, line := range strings.Split(string(text), "\n") {
		token := strings.TrimSpace(line)
		if token == "" {
			continue
		}
		if err := CheckToken(token); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n+1, err)
		}
		all = append(all, sha256.Sum256([]byte(token)))
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no token: one per line is needed", path)
	}
	return all, nil
}

// CheckToken returns why a text cannot be a token. The error does not contain it.
func CheckToken(token string) error {
	// A remark behind a token would be one too. A header cannot have other bytes.
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("a token has visible ASCII characters and nothing else")
		}
	}
	if len(token) < minToken {
		return fmt.Errorf("the token has %d characters, at least %d are needed: head -c 24 /dev/urandom | base64 makes one", len(token), minToken)
	}
	return nil
}

// have reports whether a token is among them. The time that it takes does not tell which.
func (t tokens) have(given string) bool {
	digest, found := sha256.Sum256([]byte(given)), 0
	for i := range t {
		found |= subtle.ConstantTimeCompare(digest[:], t[i][:])
	}
	return found == 1
}

// givenToken returns the token of a request, or "".
func givenToken(req *http.Request) string {
	// kubelet drops Authorization when it falls back from HTTPS to HTTP
	// (deploy/kubernetes/kubelet.md).
	if token := req.Header.Get("X-Podhook-Token"); token != "" {
		return token
	}
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 9110, 11.1: in any case
		return ""
	}
	return token
}
