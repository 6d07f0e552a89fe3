package agent

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxTokens bounds the file of the tokens, in bytes.
const maxTokens = 64 << 10

var (
	errNoToken    = errors.New("the output of a hook may hold secrets, so it needs a token: set PODHOOK_TOKEN_FILE; podhook logs HOOK in the container prints it too")
	errWrongToken = errors.New("a token of PODHOOK_TOKEN_FILE is needed, as Authorization: Bearer TOKEN or X-Podhook-Token: TOKEN")
)

// Tokens reads a file with one token per line. Several are for a rotation. It never
// blocks on a FIFO.
func Tokens(path string) ([]string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxTokens+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxTokens {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxTokens)
	}
	var tokens []string
	for n, line := range strings.Split(string(text), "\n") {
		token := strings.TrimSpace(line)
		if strings.ContainsAny(token, " \t") { // a remark behind a token would be one too
			return nil, fmt.Errorf("%s:%d: a line has one token and nothing else", path, n+1)
		}
		if token != "" {
			tokens = append(tokens, token)
		}
	}
	if len(tokens) == 0 {
		return nil, fmt.Errorf("%s has no token: one per line is needed", path)
	}
	return tokens, nil
}

// currentTokens reads the tokens. One request at a time does so: each holds a thread.
func (a *Agent) currentTokens(path string) ([]string, error) {
	a.reading.Lock()
	defer a.reading.Unlock()
	return Tokens(path)
}

// mayReadOutput returns why a request has no right to read output, or nil. The file is
// read anew for each request, so that a rotation needs no restart.
func (a *Agent) mayReadOutput(req *http.Request) error {
	path := string(a.Settings.TokenFile)
	if path == "" {
		return errNoToken
	}
	tokens, err := a.currentTokens(path)
	if err != nil {
		a.brokenTokens.Log(a.Logger, slog.LevelError, "tokens not read, nobody gets the output", "error", err.Error())
		return errWrongToken
	}
	// kubelet drops Authorization when it falls back from HTTPS to HTTP.
	given, bearer := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		given = req.Header.Get("X-Podhook-Token")
	}
	digest, found := sha256.Sum256([]byte(given)), 0
	for _, token := range tokens { // all of them, so that the time does not tell which
		known := sha256.Sum256([]byte(token))
		found |= subtle.ConstantTimeCompare(digest[:], known[:])
	}
	if found == 0 {
		return errWrongToken
	}
	return nil
}
