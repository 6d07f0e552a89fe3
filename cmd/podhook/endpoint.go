package main

import (
	"flag"
	"strings"

	"github.com/podhook/podhook/hooks/config"
)

// endpointFlags are the flags of every command that sends a request. They set the
// same fields as the YAML of a step.
type endpointFlags struct {
	command  string
	endpoint config.Endpoint // without URL, Headers
	headers  []string
	token    string
	socket   string
}

func (e *endpointFlags) register(fs *flag.FlagSet) {
	e.command = fs.Name()
	// Parsed by at, because an error of the package flag shows the value.
	header := func(text string) error {
		e.headers = append(e.headers, text)
		return nil
	}
	const headerUsage = "add a `HEADER` such as 'Accept: text/plain'; may be repeated"
	fs.Func("H", headerUsage, header)
	fs.Func("header", headerUsage, header)
	fs.StringVar(&e.token, "token-file", "", "send the token in `FILE` as Authorization: Bearer")
	fs.StringVar(&e.socket, "unix-socket", "", "connect to the socket `PATH`")
	fs.StringVar(&e.endpoint.CAFile, "cacert", "", "trust the certificates in `FILE` instead of the system's")
	fs.StringVar(&e.endpoint.CertFile, "cert", "", "show the server the certificate in `FILE`; needs --key")
	fs.StringVar(&e.endpoint.KeyFile, "key", "", "the private key of --cert, in `FILE`")
	const insecureUsage = "do not verify the server's certificate"
	fs.BoolVar(&e.endpoint.InsecureSkipVerify, "k", false, insecureUsage)
	fs.BoolVar(&e.endpoint.InsecureSkipVerify, "insecure", false, insecureUsage)
}

// at returns the endpoint with its URL and headers. what names the argument or flag
// of the URL for errors.
func (e *endpointFlags) at(what, text string) (config.Endpoint, error) {
	done := e.endpoint
	for n, text := range e.headers {
		name, value, found := strings.Cut(text, ":")
		if !found {
			return config.Endpoint{}, usagef("%s: header %d: a header such as 'Accept: text/plain' is needed", e.command, n+1)
		}
		h, err := config.ParseHeader(strings.TrimSpace(name), strings.TrimSpace(value))
		if err != nil {
			return config.Endpoint{}, usagef("%s: header %d: %v", e.command, n+1, err)
		}
		done.Headers = append(done.Headers, h)
	}
	u, err := config.ParseURL(text)
	if err != nil {
		return config.Endpoint{}, usagef("%s: %s: %q: %v", e.command, what, config.HideURL(text), err)
	}
	if e.socket != "" {
		u.Socket = e.socket
	}
	done.URL = u
	if err := e.checkCert(u); err != nil {
		return config.Endpoint{}, err
	}
	if e.token != "" {
		done.Headers = append(done.Headers, config.Header{Name: "Authorization", Value: "Bearer ", File: e.token})
	}
	return done, nil
}

// checkCert refuses what podhook refuses of a step.
func (e *endpointFlags) checkCert(u config.URL) error {
	cert, key := e.endpoint.CertFile, e.endpoint.KeyFile
	switch {
	case cert != "" && key == "":
		return usagef("%s: --cert: %q: --key is needed too, the private key of the certificate; one PEM file may hold both", e.command, cert)
	case cert == "" && key != "":
		return usagef("%s: --key: %q: --cert is needed too, the certificate of the private key; one PEM file may hold both", e.command, key)
	case cert != "" && !strings.HasPrefix(u.Request, "https:"):
		return usagef("%s: --cert: %q: means nothing here; an https URL is needed", e.command, cert)
	}
	return nil
}

// statusFlag registers --status, a list such as 200,3xx.
func statusFlag(fs *flag.FlagSet) *[]config.StatusRange {
	list := config.AnySuccess()
	fs.Func("status", "expect a status of `LIST`, such as 200,3xx (default 2xx)", func(text string) error {
		list = nil
		for part := range strings.SplitSeq(text, ",") {
			r, err := config.ParseStatus(part)
			if err != nil {
				return err
			}
			list = append(list, r)
		}
		return nil
	})
	return &list
}
