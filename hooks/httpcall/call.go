// Package httpcall sends one HTTP/1.1 request on one connection, over TCP, TLS or
// a Unix socket. It uses the standard library's requests and answers, and neither
// its Client nor its Transport, which would be a twentieth of the binary.
//
// It goes by no proxy variables: what hooks call is beside them.
package httpcall

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/podhook/podhook/hooks/config"
)

const (
	// maxRedirects is net/http's and kubelet's limit.
	maxRedirects = 10
	userAgent    = "podhook"
)

// Request is one request.
type Request struct {
	Method string
	URL    string // http or https
	// Socket is a Unix socket to connect to; "" for the URL's host.
	Socket string
	// Header is sent as it is; Host in it replaces the URL's.
	Header http.Header
	Body   string
	// CAFile holds the certificates that the server's is checked against, in
	// PEM; "" stands for the system's.
	CAFile string
	// InsecureSkipVerify takes any certificate.
	InsecureSkipVerify bool
	// Final are statuses that are an answer and not a redirect to follow; nil is
	// none.
	Final func(status int) bool
}

// Response is the answer to a request. Its body must be closed; it ends with the
// context of the call.
type Response struct {
	*http.Response
}

// Framed says whether the answer tells where its body ends. The body of another one
// ends with the connection, and so may one that was cut (RFC 9112, section 8).
func (r *Response) Framed() bool { return r.ContentLength >= 0 || len(r.TransferEncoding) > 0 }

// Do sends a request and returns the answer's head; limit bounds the bytes of
// the body that can be read. Redirects are followed, ten at most, on the same
// host and port, and from http to https of the same host: headers may hold
// secrets. Another redirect is the answer itself.
//
// The end of ctx ends everything, the reading of the body too, with its cause.
// Other errors are the network's; *RedirectError is too many of them.
func Do(ctx context.Context, r Request, limit int64) (*Response, error) {
	for range maxRedirects + 1 {
		res, err := r.once(ctx, limit)
		if err != nil {
			return nil, err
		}
		if r.Final != nil && r.Final(res.StatusCode) || !r.follow(res) {
			return res, nil
		}
		_ = res.Body.Close() // nothing was written that could be lost
	}
	return nil, &RedirectError{URL: config.HideURLs(r.URL)}
}

// RedirectError is more redirects than are followed; URL is the last, without what
// may be a secret.
type RedirectError struct{ URL string }

func (e *RedirectError) Error() string {
	return fmt.Sprintf("more than %d redirects, the last to %s", maxRedirects, e.URL)
}

// follow makes of r the request that the answer redirects to, if it does.
func (r *Request) follow(res *Response) bool {
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return false
	}
	from, to := res.Request.URL, res.Header.Get("Location")
	next, err := from.Parse(to)
	if to == "" || err != nil || !sameServer(from, next) {
		return false
	}
	if res.StatusCode < http.StatusTemporaryRedirect && r.Method != http.MethodHead {
		r.Method, r.Body = http.MethodGet, ""
	}
	r.URL = next.String()
	return true
}

func sameServer(a, b *url.URL) bool {
	if b.User != nil || !strings.EqualFold(a.Hostname(), b.Hostname()) {
		return false
	}
	if a.Scheme == b.Scheme {
		return portOf(a) == portOf(b)
	}
	return a.Scheme == "http" && b.Scheme == "https"
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

func (r *Request) once(ctx context.Context, limit int64) (*Response, error) {
	req, err := http.NewRequest(r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	req.Header = r.Header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", userAgent)
	}
	req.Close = true
	c, err := r.dial(ctx, req.URL)
	if err != nil {
		return nil, err
	}
	res, err := c.exchange(req, limit)
	if err != nil {
		_ = c.Close() // the first error says more
		return nil, c.explain(err)
	}
	res.Body = &body{ReadCloser: res.Body, conn: c}
	return &Response{res}, nil
}

// body closes the connection with itself.
type body struct {
	io.ReadCloser
	conn *conn
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.conn.explain(err)
	}
	return n, err
}

func (b *body) Close() error { return b.conn.Close() }
