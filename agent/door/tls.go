package door

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"time"

	"github.com/podhook/podhook/agent/watched"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/keypair"
)

// TLS says how a listener encrypts. The zero value does not.
type TLS struct {
	// CertFile and KeyFile are in PEM.
	CertFile, KeyFile string
	// SelfSigned makes a certificate in memory instead: kubelet does not verify any
	// (Kubernetes, Configure Liveness, Readiness and Startup Probes).
	SelfSigned bool
	// ClientCAFile has the authorities of client certificates; without it none is asked for.
	ClientCAFile string
	Logger       *slog.Logger
}

// On reports whether a listener encrypts.
func (t TLS) On() bool { return t.SelfSigned || t.CertFile != "" }

// Config returns the configuration of a server. It serves a new certificate from when its
// files have changed, to new connections. The error is a config.Problem.
func (t TLS) Config() (*tls.Config, error) {
	certificate, err := t.certificate()
	if err != nil {
		return nil, err
	}
	made := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate(), nil },
		// A ticket would let a caller in whose authority has been taken away.
		SessionTicketsDisabled: true,
	}
	if t.ClientCAFile == "" {
		return made, nil
	}
	pools, err := watched.Open(t.Logger, "authorities of client certificates", func() (*x509.CertPool, error) { return pool(t.ClientCAFile) }, t.ClientCAFile)
	if err != nil {
		return nil, config.Problem{Field: "PODHOOK_TLS_CLIENT_CA_FILE", Value: t.ClientCAFile, Msg: err.Error()}
	}
	// Not required: kubelet has none for probes.
	made.ClientAuth = tls.VerifyClientCertIfGiven
	made.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		current := made.Clone()
		current.GetConfigForClient, current.ClientCAs = nil, pools.Get()
		return current, nil
	}
	return made, nil
}

// certificate returns where the current certificate comes from.
func (t TLS) certificate() (func() *tls.Certificate, error) {
	if t.SelfSigned {
		made, err := selfSigned(time.Now())
		if err != nil {
			return nil, config.Problem{Field: "PODHOOK_TLS", Value: "self-signed", Msg: err.Error()}
		}
		return func() *tls.Certificate { return made }, nil
	}
	pairs, err := watched.Open(t.Logger, "certificate", func() (*tls.Certificate, error) {
		pair, err := keypair.Load(t.CertFile, t.KeyFile)
		return &pair, err
	}, t.CertFile, t.KeyFile)
	var bad *keypair.Error
	switch {
	case errors.As(err, &bad) && bad.Field == keypair.KeyFile:
		return nil, config.Problem{Field: "PODHOOK_TLS_KEY_FILE", Value: bad.File, Msg: bad.Msg}
	case errors.As(err, &bad):
		return nil, config.Problem{Field: "PODHOOK_TLS_CERT_FILE", Value: bad.File, Msg: bad.Msg}
	}
	return pairs.Get, nil
}

func pool(file string) (*x509.CertPool, error) {
	pem, err := watched.Read(file)
	if err != nil {
		return nil, err
	}
	certificates := x509.NewCertPool()
	if !certificates.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in it")
	}
	return certificates, nil
}

// selfSignedTime is longer than any container lives: nothing makes a new one.
const selfSignedTime = 10 * 365 * 24 * time.Hour

func selfSigned(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	names := []string{"localhost"}
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "podhook"}, DNSNames: names,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(selfSignedTime), // the clocks of nodes differ
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
