// Package httpcall sends one HTTP/1.1 request on one connection, over TCP, TLS or
// a Unix socket. It uses the standard library's Request and Response, but neither its
// Client nor its Transport, which would add a twentieth to the binary.
//
// It ignores proxy variables, because hooks call servers in the same pod.
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
	// Socket is a Unix socket to connect to; "" means the URL's host.
	Socket string
	// Header is sent as it is. Its Host replaces that of the URL.
	Header http.Header
	Body   string
	// CAFile contains the certificates of the accepted authorities, in PEM; "" means
	// those of the system.
	CAFile string
	// CertFile and KeyFile contain the certificate of the client and its private key, in
	// PEM. Both or none are "".
	CertFile, KeyFile string
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool
	// Final reports which statuses are not followed as redirects; nil means none.
	Final func(status int) bool
}

// Response is the answer to a request. The caller closes its body. Reading the body
// fails when the context of the call ends.
type Response struct {
	*http.Response
}

// Framed reports whether the answer says where its body ends. Otherwise the body ends
// with the connection, and a body that was cut looks complete (RFC 9112, section 8).
func (r *Response) Framed() bool { return r.ContentLength >= 0 || len(r.TransferEncoding) > 0 }

// Do sends a request and returns the head of the answer. limit bounds the bytes of the
// body that can be read. Do follows at most ten redirects, and only on the same host and
// port or from http to https of the same host, because headers may contain secrets. Any
// other redirect is returned as the answer.
//
// When ctx ends, Do and the reading of the body fail with its cause. The error of too
// many redirects is a *RedirectError. Other errors are those of the network.
func Do(ctx context.Context, r Request, limit int64) (*Response, error) {
	for range maxRedirects + 1 {
		res, err := r.once(ctx, limit)
		if err != nil {
			return nil, err
		}
		if r.Final != nil && r.Final(res.StatusCode) || !r.follow(res) {
			return res, nil
		}
		_ = res.Body.Close() // nothing was written, so an error loses nothing
	}
	return nil, &RedirectError{URL: config.HideURLs(r.URL)}
}

// RedirectError says that there were too many redirects. URL is the last one, without
// the parts that may be secret.
type RedirectError struct{ URL string }

func (e *RedirectError) Error() string {
	return fmt.Sprintf("more than %d redirects, the last to %s", maxRedirects, e.URL)
}

// follow changes r to the request that the answer redirects to. It returns false where
// the answer is no redirect to follow.
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
		return nil, c.explain(c.client.explain(err))
	}
	res.Body = &body{ReadCloser: res.Body, conn: c}
	return &Response{res}, nil
}

// body closes the connection too.
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
