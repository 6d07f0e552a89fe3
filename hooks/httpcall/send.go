package httpcall

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/podhook/podhook/hooks/config"
)

// maxHeaderFile bounds a file that a header is read from, in bytes.
const maxHeaderFile = 64 << 10

// Send sends the request of a configuration. It reads the files of headers and of
// certificates now. limit bounds the bytes of the body that can be read. An expected status
// is not followed as a redirect.
func Send(ctx context.Context, h config.HTTP, limit int64) (*Response, error) {
	header, err := headers(h.Endpoint.Headers)
	if err != nil {
		return nil, err
	}
	return Do(ctx, Request{
		Method:             h.Method,
		URL:                h.Endpoint.URL.Request,
		Socket:             h.Endpoint.URL.Socket,
		Header:             header,
		Body:               h.Body,
		CAFile:             h.Endpoint.CAFile,
		CertFile:           h.Endpoint.CertFile,
		KeyFile:            h.Endpoint.KeyFile,
		InsecureSkipVerify: h.Endpoint.InsecureSkipVerify,
		Final:              func(status int) bool { return config.StatusIn(status, h.Status) },
	}, limit)
}

func headers(list []config.Header) (http.Header, error) {
	header := http.Header{}
	for _, h := range list {
		value := h.Value
		if h.File != "" {
			text, err := readHeader(h.File)
			if err != nil {
				return nil, fmt.Errorf("header %s: %w", h.Name, err)
			}
			value += text
			if _, err := config.ParseHeader(h.Name, value); err != nil {
				return nil, fmt.Errorf("header %s from %s: %w", h.Name, h.File, err)
			}
		}
		header.Add(h.Name, value)
	}
	return header, nil
}

// readHeader never puts the content of the file into an error, because it is a secret.
func readHeader(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxHeaderFile {
		return "", fmt.Errorf("%s: a regular file of at most %d bytes is needed", path, maxHeaderFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(text)), nil
}
