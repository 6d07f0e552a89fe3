package kubelet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// version is the version of kubelet in every User-Agent.
const version = "1.34"

// maxHookBody is how many bytes of an answer kubelet reads. It does not read an answer
// whose Content-Length is larger (deploy/kubernetes/kubelet.md, "preStop httpGet").
const maxHookBody = 10 << 10

// newHookClient returns the client for hooks. It accepts any certificate, uses only
// HTTP/1.1 (because it has a TLSClientConfig), has no timeout and keeps connections alive.
func newHookClient(nodeIP string) *http.Client {
	return &http.Client{
		CheckRedirect: sameHostRedirects,
		Transport: &http.Transport{
			DialContext:         dialer(nodeIP).DialContext,
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     90 * time.Second,
		},
	}
}

// newProbeClient returns the client for one probe: like that for hooks, but with the
// timeout of the probe, a connection for each request and no Accept-Encoding.
func newProbeClient(nodeIP string, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: sameHostRedirects,
		Transport: &http.Transport{
			DialContext:        dialer(nodeIP).DialContext,
			TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
			DisableKeepAlives:  true,
			DisableCompression: true,
		},
	}
}

// dialer dials from the address of the node, as kubelet does.
func dialer(nodeIP string) *net.Dialer {
	d := &net.Dialer{Timeout: 30 * time.Second}
	if ip := net.ParseIP(nodeIP); ip != nil {
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	return d
}

// sameHostRedirects follows at most 10 redirects, within one host name. A redirect to
// another host counts as an answer.
func sameHostRedirects(req *http.Request, via []*http.Request) error {
	if req.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// newRequest returns the request of kubelet. purpose ("lifecycle" or "probe") goes into
// the User-Agent. podIP is the host if the manifest names none.
func newRequest(ctx context.Context, get *HTTPGet, ports map[string]int, podIP, purpose string) (*http.Request, error) {
	port, err := resolvePort(get.Port, ports)
	if err != nil {
		return nil, err
	}
	host := get.Host
	if host == "" {
		host = podIP
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, requestURL(get, host, port).String(), nil)
	if err != nil {
		return nil, err
	}
	for _, h := range get.Headers {
		req.Header.Add(h.Name, h.Value)
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header.Set("User-Agent", "kube-"+purpose+"/"+version)
	}
	if _, ok := req.Header["Accept"]; !ok {
		req.Header.Set("Accept", "*/*")
	} else if req.Header.Get("Accept") == "" {
		req.Header.Del("Accept")
	}
	if h := req.Header.Get("Host"); h != "" {
		req.Host = h
	}
	return req, nil
}

// requestURL keeps path?query as it is written, even if it cannot be parsed.
func requestURL(get *HTTPGet, host string, port int) *url.URL {
	u, err := url.Parse(get.Path)
	if err != nil {
		u = &url.URL{Path: get.Path}
	}
	u.Scheme = "http"
	if get.Scheme != "" {
		u.Scheme = strings.ToLower(get.Scheme)
	}
	u.Host = net.JoinHostPort(host, strconv.Itoa(port))
	return u
}

// resolvePort accepts a number or the name of a declared port.
func resolvePort(port string, ports map[string]int) (int, error) {
	n, err := strconv.Atoi(port)
	if err != nil {
		declared, ok := ports[port]
		if !ok {
			return 0, fmt.Errorf("port %q is not declared by the container", port)
		}
		n = declared
	}
	if n < 1 || n > 65535 {
		return 0, fmt.Errorf("port %d: 1 to 65535 are allowed", n)
	}
	return n, nil
}

// servesPlainHTTP recognizes the answer of a plain HTTP port to a TLS client.
func servesPlainHTTP(err error) bool {
	var urlErr *url.Error
	return errors.As(err, &urlErr) &&
		strings.Contains(urlErr.Err.Error(), "server gave HTTP response to HTTPS client")
}

// discardBody reads what kubelet would read. An error does not matter after the status.
func discardBody(resp *http.Response) (read int64, skipped bool) {
	defer resp.Body.Close()
	if resp.ContentLength > maxHookBody {
		return 0, true
	}
	read, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxHookBody))
	return read, false
}
