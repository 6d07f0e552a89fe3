// Package keypair reads a certificate with its private key, with which a step shows a server
// who it is, or the agent its callers.
package keypair

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// maxFile bounds each of the two files, in bytes.
const maxFile = 1 << 20

// The fields of a step that name the files.
const (
	CertFile = "certFile"
	KeyFile  = "keyFile"
)

// Error says which file is wrong and what is needed instead. It never shows what is in a
// file, not even by the words of crypto/tls or crypto/x509: one of them is a secret, and
// they may have been swapped.
type Error struct {
	// Field is CertFile or KeyFile.
	Field string
	File  string
	Msg   string
}

func (e *Error) Error() string { return e.Field + " " + e.File + ": " + e.Msg }

// Load reads a certificate with its chain, and its private key. Both are PEM, and may be
// in one file. The error is an *Error.
func Load(certFile, keyFile string) (tls.Certificate, error) {
	pair, err := load(certFile, keyFile)
	if err != nil {
		// The two files may have been replaced between the two reads.
		pair, err = load(certFile, keyFile)
	}
	return pair, err
}

func load(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := read(CertFile, certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := read(KeyFile, keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err == nil {
		return pair, nil
	}
	if msg := badCert(cert); msg != "" {
		return tls.Certificate{}, &Error{CertFile, certFile, msg}
	}
	if msg := badKey(key, keyFile); msg != "" {
		return tls.Certificate{}, &Error{KeyFile, keyFile, msg}
	}
	if strings.Contains(err.Error(), "does not match") {
		return tls.Certificate{}, &Error{KeyFile, keyFile, "not the key of the certificate in " + certFile + "; the two files of one pair are needed"}
	}
	return tls.Certificate{}, &Error{KeyFile, keyFile, "its private key cannot be used; an RSA, ECDSA or Ed25519 key in PEM is needed"}
}

func read(field, file string) ([]byte, error) {
	info, err := os.Stat(file) // first, because to open a FIFO may take for ever
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		return nil, &Error{field, file, fmt.Sprintf("a regular file of at most %d bytes is needed", maxFile)}
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err // which does not repeat the path
		}
		return nil, &Error{field, file, err.Error()}
	}
	return text, nil
}

// badCert says what is wrong with the text of a certificate.
func badCert(text []byte) string {
	const needed = "; a PEM file with -----BEGIN CERTIFICATE----- is needed"
	cert := block(text, isCert)
	switch {
	case cert == nil && block(text, isKey) != nil:
		return "there is a private key and no certificate in it; " + CertFile + " and " + KeyFile + " may be swapped"
	case cert == nil:
		return "there is no certificate in it" + needed
	}
	if _, err := x509.ParseCertificate(cert.Bytes); err != nil {
		return "its first certificate cannot be parsed" + needed
	}
	return ""
}

// badKey says what is wrong with the text of a key.
func badKey(text []byte, file string) string {
	const needed = "; a PEM file with -----BEGIN PRIVATE KEY----- is needed"
	key := block(text, isKey)
	switch {
	case key == nil && block(text, isCert) != nil:
		return "there is a certificate and no private key in it" + needed
	case key == nil:
		return "there is no private key in it" + needed
	case strings.HasPrefix(key.Type, "ENCRYPTED") || key.Headers["DEK-Info"] != "":
		return "its private key has a passphrase; one without is needed: openssl pkey -in " + file + " -out FILE"
	}
	return ""
}

func isCert(kind string) bool { return kind == "CERTIFICATE" }

// isKey accepts what crypto/tls does, and RSA PRIVATE KEY is only one of many.
func isKey(kind string) bool { return kind == "PRIVATE KEY" || strings.HasSuffix(kind, " PRIVATE KEY") }

// block returns the first block of a kind, or nil.
func block(text []byte, wanted func(kind string) bool) *pem.Block {
	for {
		var found *pem.Block
		if found, text = pem.Decode(text); found == nil || wanted(found.Type) {
			return found
		}
	}
}
