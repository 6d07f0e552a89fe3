package keypair

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, parts ...[]byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, slices.Concat(parts...), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	oneCert, oneKey := testutil.ClientCertificate(t, "one")
	twoCert, twoKey := testutil.ClientCertificate(t, "two")
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	asBlock := func(kind string, headers map[string]string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: []byte("hunter2")})
	}
	cert, key := file("cert", oneCert, twoCert), file("key", oneKey)
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	const certNeeded = "; a PEM file with -----BEGIN CERTIFICATE----- is needed"
	const keyNeeded = "; a PEM file with -----BEGIN PRIVATE KEY----- is needed"
	mismatch := "keyFile %: not the key of the certificate in " + cert + "; the two files of one pair are needed"
	for _, tt := range []struct {
		name, cert, key string
		want            string // % is the file
	}{
		{"a pair", cert, key, ""},
		{"in one file", file("both", oneKey, oneCert), file("both", oneKey, oneCert), ""},
		{"parameters before the key", cert, file("ec", asBlock("EC PARAMETERS", nil), oneKey), ""},
		{"the key of another", cert, file("other", twoKey), mismatch},
		{"a key of another type", cert, file("rsa", rsaKey), mismatch},
		{"no certificate file", dir + "/none", key, "certFile %: no such file or directory"},
		{"no key file", cert, dir + "/none", "keyFile %: no such file or directory"},
		{"a directory", dir, key, "certFile %: a regular file of at most 1048576 bytes is needed"},
		{"a FIFO", cert, fifo, "keyFile %: a regular file of at most 1048576 bytes is needed"},
		{"too large", cert, file("large", make([]byte, maxFile+1)), "keyFile %: a regular file of at most 1048576 bytes is needed"},
		{"an empty certificate", file("empty"), key, "certFile %: there is no certificate in it" + certNeeded},
		{"an empty key", cert, file("empty"), "keyFile %: there is no private key in it" + keyNeeded},
		{"swapped", key, cert, "certFile %: there is a private key and no certificate in it; certFile and keyFile may be swapped"},
		{"the certificate twice", cert, cert, "keyFile %: there is a certificate and no private key in it" + keyNeeded},
		{"a damaged certificate", file("damaged", asBlock("CERTIFICATE", nil)), key, "certFile %: its first certificate cannot be parsed" + certNeeded},
		{"a damaged key", cert, file("bad", asBlock("PRIVATE KEY", nil)), "keyFile %: its private key cannot be used; an RSA, ECDSA or Ed25519 key in PEM is needed"},
		{"a passphrase", cert, file("pass", asBlock("ENCRYPTED PRIVATE KEY", nil)),
			"keyFile %: its private key has a passphrase; one without is needed: openssl pkey -in % -out FILE"},
		{"a passphrase, the old way", cert, file("old", asBlock("RSA PRIVATE KEY", map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"})),
			"keyFile %: its private key has a passphrase; one without is needed: openssl pkey -in % -out FILE"},
		{"a token", cert, file("token", []byte("hunter2\n")), "keyFile %: there is no private key in it" + keyNeeded},
		{"a secret as a kind of block", file("kind", asBlock("HUNTER2", nil)), key, "certFile %: there is no certificate in it" + certNeeded},
	} {
		pair, err := Load(tt.cert, tt.key)
		if tt.want == "" {
			if err != nil || len(pair.Certificate) == 0 || pair.PrivateKey == nil {
				t.Errorf("%s: got %v", tt.name, err)
			}
			continue
		}
		at := tt.key
		if strings.HasPrefix(tt.want, CertFile) {
			at = tt.cert
		}
		var bad *Error
		if want := strings.ReplaceAll(tt.want, "%", at); !errors.As(err, &bad) || err.Error() != want || bad.File != at {
			t.Errorf("%s:\ngot  %v\nwant %s", tt.name, err, want)
		}
	}
	if pair, err := Load(cert, key); err != nil || len(pair.Certificate) != 2 {
		t.Errorf("%d certificates of the chain, %v, want 2", len(pair.Certificate), err)
	}
}
