package httpcall

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/podhook/podhook/hooks/keypair"
)

// maxHead bounds the head of an answer, in bytes.
const maxHead = 64 << 10

var (
	errHead     = errors.New("the head of the answer is longer than 64 KiB")
	errNoAnswer = errors.New("the connection was closed without an answer")
)

// conn is a connection that ends with its context.
type conn struct {
	net.Conn
	ctx    context.Context
	unctx  func() bool
	client client
}

// dial connects, with TLS for https.
func (r *Request) dial(ctx context.Context, u *url.URL) (*conn, error) {
	network, address := "tcp", net.JoinHostPort(u.Hostname(), portOf(u))
	if r.Socket != "" {
		network, address = "unix", r.Socket
	}
	raw, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, cause(ctx, err)
	}
	c := &conn{Conn: raw, ctx: ctx}
	c.unctx = context.AfterFunc(ctx, func() {
		_ = raw.SetDeadline(time.Unix(1, 0)) // fails only on a closed connection
	})
	if u.Scheme != "https" {
		return c, nil
	}
	c.client.certFile = r.CertFile
	secure, err := r.secure(ctx, raw, u.Hostname(), &c.client)
	if err != nil {
		_ = c.Close() // the first error says more
		return nil, cause(ctx, c.client.explain(err))
	}
	c.Conn = secure
	return c, nil
}

// client is what a server asks of its client.
type client struct {
	certFile string
	asked    bool // for a certificate
}

// explain adds to an error what its reason may be. With TLS 1.3 a server refuses a
// certificate, or none, only after the handshake, and often the connection is reset before
// its reason arrives.
func (c *client) explain(err error) error {
	var op *net.OpError
	refused := errors.As(err, &op) && op.Op == "remote error" || // an alert of TLS
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, errNoAnswer)
	switch {
	case !c.asked || !refused:
		return err
	case c.certFile == "":
		return fmt.Errorf("%w; the server asked for a client certificate: certFile and keyFile (--cert and --key)", err)
	}
	return fmt.Errorf("%w; the server got the client certificate of certFile %s", err, c.certFile)
}

func (r *Request) secure(ctx context.Context, raw net.Conn, host string, own *client) (net.Conn, error) {
	cfg := &tls.Config{ServerName: host, InsecureSkipVerify: r.InsecureSkipVerify}
	var pair tls.Certificate
	if r.CertFile != "" {
		var err error
		if pair, err = keypair.Load(r.CertFile, r.KeyFile); err != nil {
			return nil, err
		}
	}
	// Not cfg.Certificates: crypto/tls holds one back whose issuer the server does not name,
	// so that the server would say that there is none.
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		own.asked = true
		return &pair, nil
	}
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("CA file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA file %s: there is no certificate in it", r.CAFile)
		}
	}
	secure := tls.Client(raw, cfg)
	return secure, secure.HandshakeContext(ctx)
}

// exchange sends the request and reads the head of the answer.
func (c *conn) exchange(req *http.Request, limit int64) (*http.Response, error) {
	written := make(chan error, 1)
	go func() { written <- req.Write(c) }()
	head := &bounded{Reader: c, left: maxHead, err: errHead}
	reader := bufio.NewReader(head)
	for {
		res, err := http.ReadResponse(reader, req)
		switch {
		case head.over:
			return nil, errHead
		case err != nil:
			return nil, c.writeError(written, err)
		case res.StatusCode >= 200:
			head.left, head.err = limit, &LongError{Limit: limit}
			return res, nil
		}
	}
}

// LongError says that the body is longer than the limit.
type LongError struct{ Limit int64 }

func (e *LongError) Error() string {
	return fmt.Sprintf("the answer is longer than %d bytes", e.Limit)
}

// bounded returns an error at the limit. io.LimitedReader would return io.EOF, so that an
// answer that was cut would look complete.
type bounded struct {
	io.Reader
	left int64
	err  error
	over bool
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.over = true
		return 0, b.err
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// writeError returns the error of sending the request where that explains why there is
// no answer.
func (c *conn) writeError(written <-chan error, err error) error {
	select {
	case sent := <-written:
		if sent != nil && errors.Is(err, io.EOF) {
			return sent
		}
	default:
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errNoAnswer
	}
	return err
}

func (c *conn) Close() error {
	c.unctx()
	return c.Conn.Close()
}

// explain replaces an error that the end of the context has caused.
func (c *conn) explain(err error) error { return cause(c.ctx, err) }

func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
