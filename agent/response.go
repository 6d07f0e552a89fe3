package agent

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// problem is the body of an error.
type problem struct {
	Error string `json:"error"`
}

func methodNotAllowed(w http.ResponseWriter, req *http.Request, allowed string) {
	w.Header().Set("Allow", allowed)
	answer(w, http.StatusMethodNotAllowed, problem{shorten(req.Method) + " is not allowed here"})
}

// maxBody bounds every answer about a hook, in bytes. kubelet reads at most 10 KiB
// (deploy/kubernetes/kubelet.md).
const maxBody = 4096

// pretty sends a body as JSON for people.
func pretty(w http.ResponseWriter, body any) {
	data, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		answer(w, http.StatusInternalServerError, problem{err.Error()})
		return
	}
	send(w, http.StatusOK, "application/json", append(data, '\n'))
}

// answer sends a body as JSON.
func answer(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil { // a body has only strings, numbers and times
		status, data = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	send(w, status, "application/json", append(data, '\n'))
}

func shorten(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

// cutBody cuts a text to what fits into maxBody if JSON writes six bytes for each.
func cutBody(s string) string {
	const limit = maxBody / 7
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return s
}

// send writes a whole answer within 10 s. The server has no write timeout, because
// that would also bound the run.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * time.Second)) // an error means that this writer has no deadline
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff") // output that looks like HTML stays text
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller may have left
}
