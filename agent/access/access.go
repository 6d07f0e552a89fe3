package access

import (
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/podhook/podhook/agent/watched"
	"github.com/podhook/podhook/hooks/config"
)

// Options are what is set. Token and TokenFile exclude each other.
type Options struct {
	Token     string
	TokenFile string
	// Networks bounds where callers come from, together with Gateway, the next hops of the
	// default routes at the start. Without both they may come from everywhere.
	Networks []netip.Prefix
	Gateway  bool
	// ClientCertificates says that the listener verifies client certificates.
	ClientCertificates bool
	Logger             *slog.Logger
}

// Access decides about requests. It is safe for concurrent use.
type Access struct {
	tokens       func() tokens // nil if no token is set
	networks     []netip.Prefix
	certificates bool
}

// New reads the tokens and the routes. The error is a config.Problem.
func New(o Options) (*Access, error) {
	a := &Access{networks: o.Networks, certificates: o.ClientCertificates}
	switch {
	case o.TokenFile != "":
		file, err := watched.Open(o.Logger, "tokens", func() (tokens, error) { return readTokens(o.TokenFile) }, o.TokenFile)
		if err != nil {
			return nil, config.Problem{Field: "PODHOOK_TOKEN_FILE", Value: o.TokenFile, Msg: err.Error()}
		}
		a.tokens = file.Get
	case o.Token != "":
		fixed := tokens{sha256.Sum256([]byte(o.Token))}
		a.tokens = func() tokens { return fixed }
	}
	if o.Gateway {
		hops, err := gateways("/proc/self/net")
		if err != nil {
			return nil, config.Problem{Field: "PODHOOK_ALLOW_FROM", Value: Gateway, Msg: err.Error()}
		}
		a.networks = append(slices.Clone(a.networks), hops...)
	}
	return a, nil
}

// Open reports whether everybody who reaches a TCP listener may run hooks.
func (a *Access) Open() bool {
	everywhere := func(n netip.Prefix) bool { return n.Bits() == 0 }
	return a.tokens == nil && !a.certificates && (len(a.networks) == 0 || slices.ContainsFunc(a.networks, everywhere))
}

// Networks returns what callers are allowed from, for the log.
func (a *Access) Networks() []netip.Prefix { return a.networks }

// Refusal is why a request has no right.
type Refusal struct {
	Class  Class
	Reason Reason
	// Status is that of the answer.
	Status int
	Text   string
}

func (r *Refusal) Error() string { return r.Text }

// Reason is a kind of refusals.
type Reason string

// The reasons.
const (
	Browser      Reason = "browser"
	Network      Reason = "network"
	NoCredential Reason = "no_credential"
	WrongToken   Reason = "wrong_token"
	NoneSet      Reason = "none_set" // nobody can have the right
	OtherUser    Reason = "other_user"
)

// Check returns why a request does not have a right, or nil. It costs no more than a few
// digests and, at most once a second, a look at the file of the tokens.
func (a *Access) Check(req *http.Request, right Right) *Refusal {
	rule := Rules()[right]
	refuse := func(reason Reason, status int, text string) *Refusal {
		return &Refusal{Class: rule.Class, Reason: reason, Status: status, Text: text}
	}
	socket, own := local(req)
	if socket && !own {
		return refuse(OtherUser, http.StatusForbidden, "only root and podhook's own user may use this socket")
	}
	if !rule.browsers && byBrowser(req) {
		return refuse(Browser, http.StatusForbidden, "a browser may not run hooks, because a page of any site could make it do so: use curl, or podhook hook NAME")
	}
	if own {
		return nil
	}
	if rule.networks && !a.from(req) {
		return refuse(Network, http.StatusForbidden, "PODHOOK_ALLOW_FROM does not allow "+Address(req.RemoteAddr).String())
	}
	if rule.credential == never || rule.credential == whereSet && a.tokens == nil && !a.certificates || hasCertificate(req) {
		return nil
	}
	given := givenToken(req)
	switch {
	case a.tokens == nil && !a.certificates:
		return refuse(NoneSet, http.StatusForbidden, noneSet(right))
	case a.tokens == nil:
		return refuse(NoCredential, http.StatusForbidden, "a client certificate of PODHOOK_TLS_CLIENT_CA_FILE is needed")
	case given == "":
		return refuse(NoCredential, http.StatusUnauthorized, "a token is needed, as Authorization: Bearer TOKEN or X-Podhook-Token: TOKEN")
	case !a.tokens().have(given):
		return refuse(WrongToken, http.StatusUnauthorized, "the token is not one of those that are set")
	}
	return nil
}

// noneSet says what to do where nobody has a right.
func noneSet(right Right) string {
	if right == Force {
		return "force needs a token: set PODHOOK_TOKEN_FILE, or use podhook hook NAME --force in the container"
	}
	return "the output of a hook may hold secrets, so it needs a token: set PODHOOK_TOKEN_FILE; podhook logs HOOK in the container prints it too"
}

// from reports whether a request comes from an allowed network.
func (a *Access) from(req *http.Request) bool {
	peer := Address(req.RemoteAddr)
	return len(a.networks) == 0 || slices.ContainsFunc(a.networks, func(n netip.Prefix) bool { return n.Contains(peer) })
}

// hasCertificate reports whether the caller has a client certificate that was verified.
func hasCertificate(req *http.Request) bool {
	return req.TLS != nil && len(req.TLS.VerifiedChains) > 0
}

// byBrowser reports whether a browser sends the request: a page of another site can make
// the browser of somebody who reaches the agent call it, without their knowledge. Origin
// and Sec-Fetch-Site (Fetch Metadata Request Headers, W3C) cannot be left out by a page.
func byBrowser(req *http.Request) bool {
	elsewhere := func(site string) bool { return site != "none" }
	return len(req.Header.Values("Origin")) > 0 || slices.ContainsFunc(req.Header.Values("Sec-Fetch-Site"), elsewhere) ||
		strings.HasPrefix(req.UserAgent(), "Mozilla/")
}
