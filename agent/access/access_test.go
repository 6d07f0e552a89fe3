package access

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podhook/podhook/hooks/config"
)

const token = "a-token-of-this-test"

func mustNew(t *testing.T, o Options) *Access {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func from(t *testing.T, networks string) Options {
	t.Helper()
	list, gateway, err := ParseNetworks(networks)
	if err != nil || gateway {
		t.Fatal(err, gateway)
	}
	return Options{Networks: list}
}

// ask is a request from 192.0.2.1 with headers such as "Origin: x".
func ask(headers ...string) *http.Request {
	req := httptest.NewRequest("POST", "/shutdown", nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	return req
}

func certified() *http.Request {
	req := ask()
	req.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	return req
}

// Each right by each setting and each caller. A right that nothing is wanted of is given.
func TestRights(t *testing.T) {
	inside, outside := from(t, "192.0.2.0/24"), from(t, "10.0.0.0/8,2001:db8::/32")
	insideWithToken := inside
	insideWithToken.Token = token
	good := "X-Podhook-Token: " + token
	for _, c := range []struct {
		name string
		o    Options
		req  *http.Request
		want map[Right]Reason
	}{
		{"nothing set", Options{}, ask(), map[Right]Reason{Output: NoneSet, Force: NoneSet}},
		{"nothing set, some token", Options{}, ask(good), map[Right]Reason{Output: NoneSet, Force: NoneSet}},
		{"a page", Options{}, ask("Origin: null"), map[Right]Reason{Output: NoneSet, Hook: Browser, Force: Browser}},
		{"no token", Options{Token: token}, ask(), map[Right]Reason{Output: NoCredential, Hook: NoCredential, Force: NoCredential}},
		{"wrong token", Options{Token: token}, ask("Authorization: Bearer " + token + "x"), map[Right]Reason{Output: WrongToken, Hook: WrongToken, Force: WrongToken}},
		{"the token", Options{Token: token}, ask("Authorization: Bearer " + token), nil},
		{"bearer", Options{Token: token}, ask("Authorization: bearer " + token), nil},
		{"no scheme", Options{Token: token}, ask("Authorization: " + token), map[Right]Reason{Output: NoCredential, Hook: NoCredential, Force: NoCredential}},
		{"the token, and no Authorization after the fallback", Options{Token: token}, ask(good), nil},
		{"a browser with the token", Options{Token: token}, ask(good, "User-Agent: Mozilla/5.0"), map[Right]Reason{Hook: Browser, Force: Browser}},
		{"a site with the token", Options{Token: token}, ask(good, "Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"), map[Right]Reason{Hook: Browser, Force: Browser}},
		{"typed into a browser's tool", Options{Token: token}, ask(good, "Sec-Fetch-Site: none"), nil},
		{"from inside", inside, ask(), map[Right]Reason{Output: NoneSet, Force: NoneSet}},
		{"from outside", outside, ask(), map[Right]Reason{Output: Network, Hook: Network, Force: Network}},
		{"forwarded", outside, ask("X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1", "X-Real-Ip: 10.0.0.1"), map[Right]Reason{Output: Network, Hook: Network, Force: Network}},
		{"from inside without the token", insideWithToken, ask(), map[Right]Reason{Output: NoCredential, Hook: NoCredential, Force: NoCredential}},
		{"from inside with the token", insideWithToken, ask(good), nil},
		{"no certificate", Options{ClientCertificates: true}, ask(), map[Right]Reason{Output: NoCredential, Hook: NoCredential, Force: NoCredential}},
		{"a certificate", Options{ClientCertificates: true}, certified(), nil},
		{"a certificate instead of the token", Options{ClientCertificates: true, Token: token}, certified(), nil},
	} {
		a := mustNew(t, c.o)
		for _, rule := range Rules() {
			var got Reason
			refusal := a.Check(c.req, rule.Right)
			if refusal != nil {
				got = refusal.Reason
				if refusal.Class != rule.Class || refusal.Text == "" || refusal.Status != http.StatusForbidden && refusal.Status != http.StatusUnauthorized {
					t.Errorf("%s: right %d is refused with %+v", c.name, rule.Right, refusal)
				}
			}
			if got != c.want[rule.Right] {
				t.Errorf("%s: right %d is refused because of %q, want %q", c.name, rule.Right, got, c.want[rule.Right])
			}
		}
	}
}

// The table is indexed by the right.
func TestRulesAreInOrder(t *testing.T) {
	for i, rule := range Rules() {
		if int(rule.Right) != i {
			t.Errorf("rule %d is that of right %d", i, rule.Right)
		}
	}
}

func TestOpen(t *testing.T) {
	everywhere := from(t, "10.0.0.0/8,::/0")
	for name, c := range map[string]struct {
		o    Options
		open bool
	}{
		"nothing": {Options{}, true}, "a token": {Options{Token: token}, false}, "networks": {from(t, "10.0.0.0/8"), false},
		"certificates": {Options{ClientCertificates: true}, false}, "every network": {everywhere, true},
	} {
		if got := mustNew(t, c.o).Open(); got != c.open {
			t.Errorf("%s: open is %v", name, got)
		}
	}
}

func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		networks, peer string
		allowed        bool
	}{
		{"10.0.0.0/8", "10.255.0.1:80", true},
		{"10.0.0.0/8", "[::ffff:10.1.2.3]:80", true},
		{"::ffff:10.0.0.0/104", "10.1.2.3:80", true},
		{"::ffff:10.1.2.3", "10.1.2.3:80", true},
		{"10.0.0.0/8", "11.0.0.1:80", false},
		{"127.0.0.1, ::1", "[::1]:80", true},
		{"127.0.0.1", "127.0.0.2:80", false},
		{"fe80::/10", "[fe80::1%eth0]:80", true},
		{"2001:db8::/32", "[2001:db8:1::1]:80", true},
		{"::/0", "10.0.0.1:80", false}, // IPv4 is not a part of IPv6
		{"0.0.0.0/0", "[::1]:80", false},
		{"0.0.0.0/0", "", false},
		{"0.0.0.0/0", "@", false},
	} {
		req := ask()
		req.RemoteAddr = c.peer
		if got := mustNew(t, from(t, c.networks)).Check(req, Hook); (got == nil) != c.allowed {
			t.Errorf("%s from %s: %v, want allowed %v", c.peer, c.networks, got, c.allowed)
		}
	}
	for text, want := range map[string]string{
		"": "a network such as", "10.0.0.0/33": "a network such as", "10.0.0.1/8": "did you mean the network 10.0.0.0/8 or the address 10.0.0.1?",
		"10.0.0.0/8,": "a network such as", "node": "a network such as", "fe80::1%eth0": "a network such as", "10.0.0.0/8;::1": "a network such as",
	} {
		if _, _, err := ParseNetworks(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// The files are those of a pod with a bridge, and of one with Calico.
func TestGateway(t *testing.T) {
	const header = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
	for name, c := range map[string]struct{ route, route6, want string }{
		"bridge": {header + "eth0\t00000000\t01000A0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t00000A0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", "", "[10.10.0.1/32]"},
		"both": {header + "eth0\t00000000\t0101FEA9\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
			"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80000000000000ecee00fffeeeeeee 00000400 00000001 00000000 00000003     eth0\n", "[169.254.1.1/32 fe80::ecee:ff:feee:eeee/128]"},
		"no gateway":   {header + "eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n", "", ""},
		"a route down": {header + "eth0\t00000000\t01000A0A\t0002\t0\t0\t0\t00000000\t0\t0\t0\n", "", ""},
		"nothing":      {"", "nonsense\n", ""},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"route": c.route, "ipv6_route": c.route6} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		found, err := gateways(dir)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), "no default route") {
				t.Errorf("%s: %v, %v", name, found, err)
			}
			continue
		}
		var words []string
		for _, hop := range found {
			words = append(words, hop.String())
		}
		if got := "[" + strings.Join(words, " ") + "]"; err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	for text, want := range map[string]string{
		"short":                      "the token has 5 characters, at least 16 are needed",
		token + "\n" + token + " #x": ":2: a token has visible ASCII characters",
		"\n \n":                      "has no token",
		token + "\xff":               "visible ASCII",
		strings.Repeat("x", 70<<10):  "larger than",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := New(Options{TokenFile: file, Logger: slog.New(slog.DiscardHandler)})
		var problem config.Problem
		if !errors.As(err, &problem) || problem.Field != "PODHOOK_TOKEN_FILE" || problem.Value != file || !strings.Contains(problem.Msg, want) || strings.Contains(problem.Msg, token) {
			t.Errorf("%.30q: %v, want %q", text, err, want)
		}
	}
}

func TestEveryLineIsAToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("  "+token+"1\r\n\n"+token+"2"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := mustNew(t, Options{TokenFile: file})
	for given, valid := range map[string]bool{token + "1": true, token + "2": true, token: false, token + "1\r": false} {
		if got := a.Check(ask("Authorization: Bearer "+given), Hook); (got == nil) != valid {
			t.Errorf("%q: %v", given, got)
		}
	}
}

func BenchmarkRefusal(b *testing.B) {
	a, err := New(Options{Token: token})
	if err != nil {
		b.Fatal(err)
	}
	req := ask("X-Podhook-Token: wrong")
	b.ReportAllocs()
	for b.Loop() {
		if a.Check(req, Hook) == nil {
			b.Fatal("not refused")
		}
	}
}
