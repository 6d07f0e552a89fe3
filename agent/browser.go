package agent

import (
	"net/http"
	"strings"
)

// browserRefused is the answer to a browser that calls a hook.
const browserRefused = "a browser may not run hooks, because a page of any site could make it do so: use curl, or podhook hook NAME"

// byBrowser reports whether a browser sends the request: a page of another site can make
// the browser of somebody who reaches the agent call it, without their knowledge. Origin
// and Sec-Fetch-Site (Fetch Metadata Request Headers, W3C) cannot be left out by a page.
func byBrowser(req *http.Request) bool {
	site := req.Header.Get("Sec-Fetch-Site")
	return req.Header.Get("Origin") != "" || site != "" && site != "none" || strings.HasPrefix(req.UserAgent(), "Mozilla/")
}
