// Package podapi asks the API server of Kubernetes about podhook's own Pod, and sends it
// Events about that Pod, as the Pod's ServiceAccount. client-go would add more to the binary
// than all of podhook.
package podapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/podhook/podhook/agent/watched"
	"github.com/podhook/podhook/hooks/httpcall"
)

// serviceAccount is where kubelet mounts the token, ca.crt and namespace of a Pod.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// maxAnswer bounds an answer, in bytes. etcd takes objects of 1.5 MiB.
const maxAnswer = 4 << 20

// Client asks one API server. Its fields are not changed once it is used; then it may be
// used from any goroutine.
type Client struct {
	Server string // its URL
	Dir    string // has the files token, ca.crt and namespace, which are read at each call
	Pod    string // the name of the Pod
}

// InCluster returns a client of the cluster that this process runs in. pod is the name of
// its Pod, "" for the HOSTNAME. The error says what is missing.
func InCluster(pod string) (*Client, error) {
	host := os.Getenv("KUBERNETES_SERVICE_HOST")
	port := cmp.Or(os.Getenv("KUBERNETES_SERVICE_PORT_HTTPS"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	c := &Client{Server: "https://" + net.JoinHostPort(host, port), Dir: serviceAccount, Pod: cmp.Or(pod, os.Getenv("HOSTNAME"))}
	switch {
	case host == "" || port == "":
		return nil, fmt.Errorf("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no Pod")
	case c.Pod == "":
		return nil, fmt.Errorf("HOSTNAME is not set: set PODHOOK_POD_NAME to metadata.name")
	}
	if _, err := c.read("token"); err != nil {
		return nil, fmt.Errorf("%w: the Pod needs a serviceAccountName, and no automountServiceAccountToken: false", err)
	}
	return c, nil
}

// StatusError is an answer that is no success. Message is that of the API server.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("the API server answers %d: %s", e.Code, e.Message)
	if e.Code == http.StatusForbidden {
		text += ": its ServiceAccount needs the Role of deploy/kubernetes/pod-api"
	}
	return text
}

// Get reads the Pod. It fails when ctx ends. The error can be a *StatusError.
func (c *Client) Get(ctx context.Context) (*Pod, error) {
	pod := &Pod{}
	err := c.call(ctx, call{method: http.MethodGet, api: "/api/v1", resource: "pods/" + url.PathEscape(c.Pod)}, pod)
	if answers(err, http.StatusNotFound) {
		err = fmt.Errorf("%w: set PODHOOK_POD_NAME to metadata.name", err)
	}
	return pod, err
}

// call is a request about something in the Pod's namespace.
type call struct {
	method, api, resource string
	contentType           string
	body                  object // nil for none
}

// call sends a request, and decodes the answer unless that is nil.
func (c *Client) call(ctx context.Context, r call, answer any) error {
	namespace, err := c.read("namespace")
	if err != nil {
		return err
	}
	token, err := c.read("token")
	if err != nil {
		return err
	}
	header := http.Header{"Authorization": {"Bearer " + token}, "Accept": {"application/json"}}
	var body []byte
	if r.body != nil {
		header.Set("Content-Type", r.contentType)
		if body, err = json.Marshal(r.body); err != nil {
			return err
		}
	}
	res, err := httpcall.Do(ctx, httpcall.Request{
		Method: r.method,
		URL:    c.Server + r.api + "/namespaces/" + url.PathEscape(namespace) + "/" + r.resource,
		Header: header,
		Body:   string(body),
		CAFile: filepath.Join(c.Dir, "ca.crt"),
		Final:  func(int) bool { return true }, // a redirect would get the token
	}, maxAnswer)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		failure := struct{ Message string }{}
		_ = json.Unmarshal(text, &failure) // a proxy answers in HTML
		return &StatusError{Code: res.StatusCode, Message: cmp.Or(failure.Message, http.StatusText(res.StatusCode))}
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// answers reports whether err is that answer of the API server.
func answers(err error, code int) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == code
}

func (c *Client) read(name string) (string, error) {
	text, err := watched.Read(filepath.Join(c.Dir, name))
	return strings.TrimSpace(string(text)), err
}
