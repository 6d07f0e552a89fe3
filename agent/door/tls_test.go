package door

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/internal/testutil"
)

// authority signs certificates of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.key, a.cert, a.pem = a.make(template, template, nil)
	return a
}

func (a *authority) make(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// pair writes a certificate with a name and its key.
func (a *authority) pair(name, certFile, keyFile string) {
	a.t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	key, _, cert := a.make(template, a.cert, a.key)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(certFile, cert)
	a.write(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func (a *authority) write(file string, text []byte) {
	a.t.Helper()
	if err := errors.Join(os.WriteFile(file+".new", text, 0o600), os.Rename(file+".new", file)); err != nil {
		a.t.Fatal(err)
	}
}

func insecure() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// serveTLS answers with how many certificates the caller has.
func serveTLS(t *testing.T, o TLS) (address string, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	secure, err := o.Config()
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen("127.0.0.1:0", 10, secure)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if len(req.TLS.VerifiedChains) > 0 {
			_, _ = io.WriteString(w, req.TLS.PeerCertificates[0].Subject.CommonName)
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String(), log
}

// served returns the name in the certificate that a new connection gets.
func served(t *testing.T, address string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// A new certificate is for new connections; the open ones stay.
func TestCertificateIsReadAgain(t *testing.T) {
	dir, ca := t.TempDir(), newAuthority(t)
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	ca.pair("first", cert, key)
	address, _ := serveTLS(t, TLS{CertFile: cert, KeyFile: key})
	old, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	ca.pair("second", cert, key)
	testutil.Eventually(t, "the new certificate is served", func() bool { return served(t, address) == "second" })
	ca.write(cert, []byte("broken"))
	time.Sleep(lookedAt)
	if got := served(t, address); got != "second" {
		t.Errorf("with a broken pair %q is served", got)
	}
	if _, err := io.WriteString(old, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(old), nil)
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("the open connection: %v", err)
	}
}

// lookedAt is when the files have been looked at again.
const lookedAt = 1100 * time.Millisecond

func TestSelfSigned(t *testing.T) {
	address, _ := serveTLS(t, TLS{SelfSigned: true})
	resp, err := insecure().Get("https://" + address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if cert := resp.TLS.PeerCertificates[0]; cert.NotAfter.Before(time.Now().AddDate(9, 0, 0)) || cert.VerifyHostname("localhost") != nil {
		t.Errorf("the certificate is for %q until %v", cert.DNSNames, cert.NotAfter)
	}
	if _, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

// kubelet takes an answer of any status for success.
func TestPlainCallerGetsNoAnswer(t *testing.T) {
	address, _ := serveTLS(t, TLS{SelfSigned: true})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET /shutdown HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(conn); len(text) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it gets %q, %v", text, err)
	}
}

func TestClientCertificates(t *testing.T) {
	dir, ca, other := t.TempDir(), newAuthority(t), newAuthority(t)
	caFile := filepath.Join(dir, "ca.crt")
	ca.write(caFile, ca.pem)
	address, _ := serveTLS(t, TLS{SelfSigned: true, ClientCAFile: caFile})
	get := func(a *authority) (string, error) {
		client := insecure()
		if a != nil {
			a.pair("caller", dir+"/c.crt", dir+"/c.key")
			pair, err := tls.LoadX509KeyPair(dir+"/c.crt", dir+"/c.key")
			if err != nil {
				t.Fatal(err)
			}
			client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{pair}
			client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		resp, err := client.Get("https://" + address)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	if name, err := get(nil); name != "" || err != nil {
		t.Errorf("without a certificate: %q, %v", name, err)
	}
	if name, err := get(ca); name != "caller" || err != nil {
		t.Errorf("with a certificate: %q, %v", name, err)
	}
	if name, err := get(other); err == nil {
		t.Errorf("with one of another authority: %q", name)
	}
	ca.write(caFile, other.pem)
	testutil.Eventually(t, "the new authority is trusted", func() bool { name, err := get(other); return name == "caller" && err == nil })
	if name, err := get(ca); err == nil {
		t.Errorf("with one of the old authority: %q", name)
	}
}

func TestBrokenFilesAreNamed(t *testing.T) {
	dir, ca := t.TempDir(), newAuthority(t)
	cert, key, otherKey, empty := dir+"/a.crt", dir+"/a.key", dir+"/b.key", dir+"/empty"
	ca.pair("a", cert, key)
	ca.pair("b", dir+"/b.crt", otherKey)
	ca.write(empty, nil)
	for name, c := range map[string]struct {
		o           TLS
		field, want string
	}{
		"no file":          {TLS{CertFile: dir + "/none", KeyFile: key}, "PODHOOK_TLS_CERT_FILE", "no such file"},
		"another key":      {TLS{CertFile: cert, KeyFile: otherKey}, "PODHOOK_TLS_KEY_FILE", "not the key of the certificate"},
		"files mixed up":   {TLS{CertFile: key, KeyFile: cert}, "PODHOOK_TLS_CERT_FILE", "may be swapped"},
		"empty authority":  {TLS{SelfSigned: true, ClientCAFile: empty}, "PODHOOK_TLS_CLIENT_CA_FILE", "no certificate"},
		"a key, and no CA": {TLS{SelfSigned: true, ClientCAFile: key}, "PODHOOK_TLS_CLIENT_CA_FILE", "no certificate"},
	} {
		_, err := c.o.Config()
		var problem config.Problem
		if !errors.As(err, &problem) || problem.Field != c.field || !strings.Contains(problem.Msg, c.want) {
			t.Errorf("%s: %v, want %s: %s", name, err, c.field, c.want)
		}
	}
}
