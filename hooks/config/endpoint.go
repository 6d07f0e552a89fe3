package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Endpoint says where a request goes, and with which headers and certificates.
type Endpoint struct {
	URL     URL
	Headers []Header
	// CAFile is a PEM file with the certificates to trust, or "" for the system's.
	CAFile string
	// CertFile and KeyFile are PEM files with the certificate of the client and its key.
	// They are read when the request is sent, so that renewed ones are used. Both or none
	// are "".
	CertFile, KeyFile string
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool
}

// URL is an http or https URL, or a URL on a Unix socket.
type URL struct {
	// Text is the URL as it was given.
	Text string
	// Request is the http or https URL of the request.
	Request string
	// Socket is the path of the Unix socket, or "" to connect to the URL's host.
	Socket string
}

// Header is one header of a request.
type Header struct {
	Name string
	// Value is the header's value. With a File it is the text before that of the file,
	// such as "Bearer ".
	Value string
	// File is read when the request is sent, so that a renewed token is used. Blanks
	// and newlines around its text are cut.
	File string
}

const (
	urlRule = "an http or https URL such as http://127.0.0.1:9901/quit, or one on a Unix socket such as unix:/run/app.sock:/quit"
	// maxSocket is sun_path of unix(7) without its final NUL.
	maxSocket = 107
)

// ParseURL parses an http or https URL, or unix:SOCKET:PATH. The error does not repeat
// the text, which may hold a secret.
func ParseURL(text string) (URL, error) {
	u := URL{Text: text, Request: text}
	if rest, ok := strings.CutPrefix(text, "unix:"); ok {
		socket, path, _ := strings.Cut(rest, ":/")
		if !strings.HasPrefix(socket, "/") || len(socket) > maxSocket || strings.ContainsFunc(socket, unicode.IsControl) {
			return URL{}, fmt.Errorf("a Unix socket has an absolute path of at most %d bytes; %s", maxSocket, urlRule)
		}
		u.Socket, u.Request = socket, "http://localhost/"+path
	}
	parsed, err := url.Parse(u.Request)
	switch {
	case err != nil, parsed.Scheme != "http" && parsed.Scheme != "https", parsed.Hostname() == "", parsed.Opaque != "":
		return URL{}, fmt.Errorf("allowed is %s", urlRule)
	case parsed.User != nil:
		return URL{}, fmt.Errorf("a user or password does not belong in a URL; a header can be read from a file")
	case parsed.Fragment != "":
		return URL{}, fmt.Errorf("what follows # is never sent; a URL without it is needed")
	case parsed.Port() != "" && !isPort(parsed.Port()):
		return URL{}, fmt.Errorf("a port is a number from 1 to 65535")
	}
	return u, nil
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= 65535 && text[0] != '+'
}

// ParseHeader checks a header. It refuses those that podhook sets itself.
func ParseHeader(name, value string) (Header, error) {
	token := func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return letter || strings.ContainsRune("!#$%&'*+-.^_`|~", r) // tchar of RFC 9110
	}
	switch {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !token(r) }):
		return Header{}, fmt.Errorf("a header's name is letters, digits and -, such as Authorization")
	case ownHeader(name):
		return Header{}, fmt.Errorf("is set by podhook itself")
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return Header{}, fmt.Errorf("a header's value is one line without control characters")
	}
	return Header{Name: name, Value: value}, nil
}

// ownHeader reports whether podhook sets the header itself.
func ownHeader(name string) bool {
	own := []string{"connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "expect"}
	return slices.Contains(own, strings.ToLower(name))
}

// endpointFields returns the fields of an Endpoint.
func (d *decoder) endpointFields(e *Endpoint) []field {
	return []field{
		{"url", func(v value) { e.URL = d.url(v) }},
		{"headers", private(func(v value) { e.Headers = d.headers(v) })},
		{"caFile", func(v value) { e.CAFile = d.absPath(v) }},
		{"certFile", func(v value) { e.CertFile = d.absPath(v) }},
		{"keyFile", func(v value) { e.KeyFile = d.absPath(v) }},
		{"insecureSkipVerify", func(v value) { e.InsecureSkipVerify = d.boolean(v) }},
	}
}

func (d *decoder) url(v value) URL {
	v.secret = true
	text, ok := d.text(v, urlRule)
	if !ok {
		return URL{}
	}
	u, err := ParseURL(text)
	if err != nil {
		d.refuseURL(v, err)
	}
	return u
}

// refuseURL adds a problem that shows the URL without secrets.
func (d *decoder) refuseURL(v value, err error) {
	d.add(Problem{Pos: d.pos(v), Field: v.path, Value: HideURL(v.node.Value), Msg: err.Error()})
}

// headers reads headers in the order of the file. Problems never show a value, and show
// a name only if it is a valid one: a malformed header may hold its value in the name.
func (d *decoder) headers(v value) []Header {
	const allowed = "a mapping of names to texts, or to {prefix: \"Bearer \", file: PATH}"
	list, _ := d.entries(v, allowed)
	var headers []Header
	for _, e := range list {
		if _, err := ParseHeader(e.key, ""); err != nil && !ownHeader(e.key) {
			d.wrong(value{node: e.value.node, path: v.path}, err.Error())
			continue
		}
		h := Header{}
		item := e.value.resolved()
		switch {
		case item.isNull(): // the key may be a value without a name
			d.wrong(value{node: item.node, path: v.path}, "a header without a value; "+allowed)
			continue
		case item.node.Kind == scalarNode:
			h.Value, _ = d.text(item, allowed)
		default:
			h = d.headerFile(item)
		}
		checked, err := ParseHeader(e.key, h.Value)
		if err != nil {
			d.add(Problem{Pos: Position{d.file, e.line}, Field: v.path, Value: e.key, Msg: err.Error()})
			continue
		}
		checked.File = h.File
		headers = append(headers, checked)
	}
	return headers
}

func (d *decoder) headerFile(v value) (h Header) {
	d.fields(v, "a text, or a mapping such as {file: /var/run/secrets/token}", []field{
		{"prefix", func(v value) { h.Value, _ = d.text(v, "a text such as \"Bearer \"") }},
		{"file", func(v value) { h.File = d.absPath(v) }},
	})
	if lacks(v, "file") {
		d.wrong(v, "has no file")
	}
	return h
}

// What one of certFile and keyFile lacks without the other.
const (
	needsKey  = "keyFile beside it, the private key of the certificate; one PEM file may hold both"
	needsCert = "certFile beside it, the certificate of the private key; one PEM file may hold both"
)

// checkEndpoint checks the fields of an endpoint against each other.
func (d *decoder) checkEndpoint(v value, e Endpoint) {
	if lacks(v, "url") {
		d.wrong(v, "has no url; "+urlRule)
	}
	plain := e.URL.Text != "" && !strings.HasPrefix(e.URL.Request, "https:")
	for _, name := range []string{"caFile", "certFile", "keyFile", "insecureSkipVerify"} {
		if plain && !lacks(v, name) {
			d.add(Problem{Pos: d.pos(v), Field: v.path + "." + name, Msg: "means nothing here; the url is not https"})
		}
	}
	switch noCert, noKey := lacks(v, "certFile"), lacks(v, "keyFile"); {
	case plain || noCert == noKey:
	case noKey:
		d.add(Problem{Pos: d.pos(v), Field: v.path + ".certFile", Value: e.CertFile, Msg: "has no " + needsKey})
	default:
		d.add(Problem{Pos: d.pos(v), Field: v.path + ".keyFile", Value: e.KeyFile, Msg: "has no " + needsCert})
	}
	if e.InsecureSkipVerify && e.CAFile != "" {
		d.wrong(v, "has caFile and insecureSkipVerify; the certificate is either checked or not")
	}
}
