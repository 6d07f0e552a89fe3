package config

import (
	"slices"
	"strings"
	"time"
)

// HTTP sends a request and checks the status of the answer.
type HTTP struct {
	Endpoint Endpoint
	Method   string
	Body     string
	// Status lists the statuses that mean success.
	Status []StatusRange
}

func (HTTP) Kind() string                    { return "http" }
func (h HTTP) Does() string                  { return h.String() }
func (h HTTP) WaitsFor() string              { return "the answer to " + h.String() }
func (HTTP) NeedsMain() bool                 { return false }
func (h HTTP) detail() string                { return h.Method }
func (HTTP) worst(s *Step) (WorstStep, bool) { return s.worstOpen() }
func (HTTP) alwaysTimeout() time.Duration    { return alwaysDefault }
func (h HTTP) preflight(p *Preflight)        { p.endpoint(h.Endpoint) }

// readHTTP reads a request: a mapping, or the url alone.
func readHTTP(d *decoder, v value) Action {
	var body string
	h, ok := d.http(v, field{"body", private(func(v value) { body, _ = d.text(v, "a text") })})
	if !ok {
		return nil
	}
	if h.Body = body; h.Method == "" {
		h.Method = DefaultMethod(body)
	}
	return h
}

// http reads a request without a body, which may have more fields. The method is "" if
// none is given.
func (d *decoder) http(v value, more ...field) (h HTTP, ok bool) {
	before := d.found()
	h.Status = AnySuccess()
	if v.node.Kind == scalarNode {
		h.Endpoint.URL = d.url(v)
		return h, d.found() == before
	}
	d.fields(v, "a URL, or a mapping such as {method: POST, url: \"http://127.0.0.1:9901/quit\"}", append(append(d.endpointFields(&h.Endpoint), more...),
		field{"method", func(v value) { h.Method = d.method(v) }},
		field{"status", func(v value) {
			if list := d.statuses(v); len(list) > 0 {
				h.Status = list
			}
		}},
	))
	d.checkEndpoint(v, h.Endpoint)
	return h, d.found() == before
}

// String returns a text such as "POST http://127.0.0.1:9901/quit", without secrets.
func (h HTTP) String() string { return h.Method + " " + HideURL(h.Endpoint.URL.Text) }

// DefaultMethod returns the method of a request without one.
func DefaultMethod(body string) string {
	if body != "" {
		return "POST"
	}
	return "GET"
}

// Methods lists the methods of RFC 9110 and RFC 5789 that a hook may use.
func Methods() []string {
	return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
}

func (d *decoder) method(v value) string {
	allowed := "one of " + strings.Join(Methods(), ", ")
	text, ok := d.text(v, allowed)
	if ok && !slices.Contains(Methods(), text) {
		d.refuse(v, "%s", allowed)
	}
	return text
}
