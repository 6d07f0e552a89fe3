package config

import (
	"errors"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestParseKinds reads every kind of step in its short and its long form.
func TestParseKinds(t *testing.T) {
	zero, two := 0.0, 2.5
	local := func(text string) Endpoint { return Endpoint{URL: URL{Text: text, Request: text}} }
	tests := []struct {
		name, yaml string
		want       Action
	}{
		{"http-GET", "http: http://127.0.0.1:1/a?b=c", HTTP{Endpoint: local("http://127.0.0.1:1/a?b=c"), Method: "GET", Status: AnySuccess()}},
		{"http-POST", "http:\n  url: unix:/run/a.sock:/b?c\n  body: d\n  status: [200, 3xx, 404-409]\n  headers:\n    A: b\n    Authorization: {prefix: \"Bearer \", file: /token}",
			HTTP{Method: "POST", Body: "d", Status: []StatusRange{{200, 200}, {300, 399}, {404, 409}},
				Endpoint: Endpoint{URL: URL{Text: "unix:/run/a.sock:/b?c", Request: "http://localhost/b?c", Socket: "/run/a.sock"},
					Headers: []Header{{Name: "A", Value: "b"}, {Name: "Authorization", Value: "Bearer ", File: "/token"}}}}},
		{"http-PUT", "http: {url: \"https://a\", method: PUT, status: 204, caFile: /ca}",
			HTTP{Method: "PUT", Status: []StatusRange{{204, 204}}, Endpoint: Endpoint{URL: URL{Text: "https://a", Request: "https://a"}, CAFile: "/ca"}}},
		{"http-GET", "http: {url: \"https://a\", certFile: /cert, keyFile: /key, insecureSkipVerify: true}",
			HTTP{Method: "GET", Status: AnySuccess(), Endpoint: Endpoint{URL: URL{Text: "https://a", Request: "https://a"}, CertFile: "/cert", KeyFile: "/key", InsecureSkipVerify: true}}},
		{"wait-tcp", "wait: {tcp: \"[::1]:5432\", interval: 2s}", Wait{For: TCP{"[::1]:5432"}, Interval: 2 * time.Second}},
		{"wait-file", "wait: {file: /a}", Wait{For: File{Path: "/a"}}},
		{"wait-file", "wait: {gone: /a}", Wait{For: File{Path: "/a", Gone: true}}},
		{"wait-exit", "wait: {exit: main}", Wait{For: MainExit{}}},
		{"wait-http", "wait: {http: {url: \"https://a:8443/b\", status: 200, insecureSkipVerify: true}}",
			Wait{For: HTTPAnswer{HTTP: HTTP{Method: "GET", Status: []StatusRange{{200, 200}},
				Endpoint: Endpoint{URL: URL{Text: "https://a:8443/b", Request: "https://a:8443/b"}, InsecureSkipVerify: true}}}}},
		{"wait-http", "wait: {http: {url: \"http://a\", body: \"^o.?k$\", giveUp: [404, 5xx]}, holds: 2s}",
			Wait{Holds: 2 * time.Second, For: HTTPAnswer{HTTP: HTTP{Method: "GET", Status: AnySuccess(), Endpoint: local("http://a")},
				Body: regexp.MustCompile("^o.?k$"), GiveUp: []StatusRange{{404, 404}, {500, 599}}}}},
		{"wait-exec", "wait: {exec: [/bin/pg_isready, -q], giveUp: [66, 2]}",
			Wait{For: Program{Exec: Exec{Argv: []string{"/bin/pg_isready", "-q"}}, GiveUp: []int{66, 2}}}},
		{"wait-metric", "wait: {metric: {url: \"http://a\", name: b, labels: {c: d, e: f}, atMost: 0}}",
			Wait{For: Metric{Endpoint: local("http://a"), Name: "b", Labels: []Label{{"c", "d"}, {"e", "f"}}, AtMost: &zero, Gone: GoneIsError}}},
		{"wait-metric", "wait: {metric: {url: \"http://a\", name: b, atLeast: 2.5}}",
			Wait{For: Metric{Endpoint: local("http://a"), Name: "b", AtLeast: &two, Gone: GoneIsNotYet}}},
		{"wait-metric", "wait: {metric: {url: \"http://a\", name: b, atMost: 0, goneIs: done}}",
			Wait{For: Metric{Endpoint: local("http://a"), Name: "b", AtMost: &zero, Gone: GoneIsDone}}},
		{"wait-connections", "wait: {connections: {port: 8080}}", Wait{For: Connections{Ports: []uint16{8080}}}},
		{"wait-connections", "wait: {connections: {ports: [80, 8443], atMost: 2, loopback: true, ignore: [10.1.2.3/8, \"::ffff:1.2.3.4\"], idleFor: 10s}, interval: 200ms}",
			Wait{Interval: 200 * time.Millisecond, For: Connections{Ports: []uint16{80, 8443}, AtMost: 2, Loopback: true, IdleFor: 10 * time.Second,
				Ignore: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("1.2.3.4/32")}}}},
		{"wait-quiet", "wait: {quiet: {port: 8080}}", Wait{For: Quiet{Ports: []uint16{8080}, For: 3 * time.Second}}},
		{"wait-quiet", "wait: {quiet: {ports: [80, 81], for: 5s, atLeast: 1s, ignore: [10.0.0.0/8]}}",
			Wait{For: Quiet{Ports: []uint16{80, 81}, For: 5 * time.Second, AtLeast: time.Second, Ignore: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}},
		{"signal-QUIT", "signal: {signal: QUIT, to: \"pidfile:/run/nginx.pid\"}", Signal{Signal: syscall.SIGQUIT, To: "pidfile:/run/nginx.pid"}},
		{"signal-HUP", "signal: {signal: HUP, to: main}", Signal{Signal: syscall.SIGHUP}},
		{"write-a", "write: {file: /b/a, content: \"x\\n\", mode: 0600}", Write{File: "/b/a", Content: "x\n", Mode: 0o600}},
		{"write-a", "write: {file: /b/a}", Write{File: "/b/a", Mode: 0o644}},
		{"remove-a", "remove: /b/a", Remove{Path: "/b/a"}},
		{"scripts-a.d", "scripts: {dir: /a.d, match: \"[0-9]*.sh\"}", Scripts{Dir: "/a.d", Match: "[0-9]*.sh"}},
	}
	for _, tt := range tests {
		c, err := Parse("f.yaml", []byte(inStep(tt.yaml)), nil)
		if err != nil {
			t.Errorf("%s: %v", tt.yaml, err)
			continue
		}
		s := c.Hooks["demo"].Steps[0]
		if s.Name != tt.name || !reflect.DeepEqual(s.Action, tt.want) {
			t.Errorf("%s:\ngot  %s %+v\nwant %s %+v", tt.yaml, s.Name, s.Action, tt.name, tt.want)
		}
	}
}

// TestParseStepFields reads the fields that every step can have.
func TestParseStepFields(t *testing.T) {
	c, err := Parse("f.yaml", []byte(inStep(`exec: [a]
retries: 2
backoff: 500ms
retryOn: [75, timeout]
onFailure: ignore
always: true
timeout: 3s
user: "1000:2000"
when: {trigger: [exec, signal], podEnds: true}`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &Step{Name: "exec-a", Action: Exec{Argv: []string{"a"}}, Timeout: 3 * time.Second, KillAfter: 2 * time.Second,
		Retry:     Retry{Times: 2, Backoff: 500 * time.Millisecond, On: []int{75}, Timeout: true},
		OnFailure: Ignore, Always: true, User: &User{UID: 1000, GID: 2000},
		When: When{Triggers: []string{"exec", "signal"}, PodEnds: true}, Pos: Position{"f.yaml", 4}}
	if got := c.Hooks["demo"].Steps[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseGroup(t *testing.T) {
	c, err := Parse("f.yaml", []byte(inStep(`parallel:
- wait: {tcp: "a:1"}
- wait: {tcp: "b:1"}
- {name: own, sleep: 1s, onFailure: continue}
always: true`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, s := range c.Hooks["demo"].Each {
		names = append(names, name+" "+s.Action.Kind())
	}
	if got, want := strings.Join(names, ", "), "parallel/wait-tcp wait, parallel/wait-tcp-2 wait, parallel/own sleep"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if s := c.Hooks["demo"].Steps[0]; !s.Always || s.Timeout != 5*time.Second {
		t.Errorf("the group is %+v", s)
	}
}

// TestParseRefusesKinds compares the messages for invalid values of each kind.
func TestParseRefusesKinds(t *testing.T) {
	const step = "hooks.demo.steps[0]"
	tests := []struct {
		yaml string
		want []string
	}{
		{"http: ftp://a", []string{`4: ` + step + `.http: "ftp://a": allowed is ` + urlRule}},
		{"http: unix:run/a.sock:/b", []string{`4: ` + step + `.http: "unix:run/a.sock:/b": a Unix socket has an absolute path of at most 107 bytes; ` + urlRule}},
		{"http: http://u:secret@a/", []string{"4: " + step + `.http: "http://...@a/": a user or password does not belong in a URL; a header can be read from a file`}},
		{"http: http://a:70000/", []string{`4: ` + step + `.http: "http://a:70000/": a port is a number from 1 to 65535`}},
		{"http: http://a/#b", []string{`4: ` + step + `.http: "http://a/#...": what follows # is never sent; a URL without it is needed`}},
		{"http: {method: get, url: \"http://a\"}", []string{`4: ` + step + `.http.method: "get": one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS`}},
		{"http: {method: GET}", []string{"4: " + step + ".http: has no url; " + urlRule}},
		{"http: {url: \"http://a\", status: [99, 2x, 300-200]}", []string{
			`4: ` + step + `.http.status[0]: "99": ` + statusRule, `4: ` + step + `.http.status[1]: "2x": ` + statusRule,
			`4: ` + step + `.http.status[2]: "300-200": ` + statusRule}},
		{"http: {url: \"http://a\", caFile: /x}", []string{"4: " + step + ".http.caFile: means nothing here; the url is not https"}},
		{"http: {url: \"https://a\", caFile: /x, insecureSkipVerify: true}", []string{"4: " + step + ".http: has caFile and insecureSkipVerify; the certificate is either checked or not"}},
		{"http: {url: \"https://a\", certFile: /c}", []string{"4: " + step + `.http.certFile: "/c": has no ` + needsKey}},
		{"wait: {http: {url: \"https://a\", keyFile: /k}}", []string{"4: " + step + `.wait.http.keyFile: "/k": has no ` + needsCert}},
		{"wait: {metric: {url: \"https://a\", name: b, atMost: 0, keyFile: /k}}", []string{"4: " + step + `.wait.metric.keyFile: "/k": has no ` + needsCert}},
		{"http: {url: \"https://a\", certFile: tls.crt, keyFile: /k}", []string{"4: " + step + `.http.certFile: "tls.crt": an absolute path, such as /etc/podhook/file`}},
		{"http: {url: \"http://a\", certFile: /c, keyFile: /k}", []string{
			"4: " + step + ".http.certFile: means nothing here; the url is not https", "4: " + step + ".http.keyFile: means nothing here; the url is not https"}},
		{"http: {url: \"unix:/a:/b\", certFile: /c}", []string{"4: " + step + ".http.certFile: means nothing here; the url is not https"}},
		{"http:\n  url: http://a\n  headers:\n    \"a b\": c\n    Content-Length: 5\n    D: {prefix: e}\n    F: \"g\\nh\"", []string{
			`7: ` + step + `.http.headers: a header's name is letters, digits and -, such as Authorization`,
			`8: ` + step + `.http.headers: "Content-Length": is set by podhook itself`,
			"9: " + step + ".http.headers.D: has no file",
			`10: ` + step + `.http.headers: "F": a header's value is one line without control characters`}},
		{"wait: {}", []string{"4: " + step + ".wait: waits for nothing; a step waits for one of " + conditions}},
		{"wait: {tcp: \"a:1\", file: /b}", []string{"4: " + step + ".wait: waits for two things; a step waits for one of " + conditions}},
		{"wait: {tcp: localhost}", []string{`4: ` + step + `.wait.tcp: "localhost": ` + addressRule}},
		{"wait: {exit: child}", []string{`4: ` + step + `.wait.exit: "child": main`}},
		{"wait: {connections: {}}", []string{"4: " + step + ".wait.connections: has no port; write port: 8080, where the application listens"}},
		{"wait: {connections: {port: http}}", []string{`4: ` + step + `.wait.connections.port: "http": ` + portRule}},
		{"wait: {connections: {ports: [80, 0]}}", []string{`4: ` + step + `.wait.connections.ports[1]: "0": ` + portRule}},
		{"wait: {connections: {port: 80, ignore: [pods]}}", []string{`4: ` + step + `.wait.connections.ignore[0]: "pods": ` + networkRule}},
		{"wait: {connections: {port: 80, atMost: -1}}", []string{`4: ` + step + `.wait.connections.atMost: "-1": a number from 0 to 1000000`}},
		{"wait: {exec: pg_isready -q}", []string{"4: " + step + `.wait.exec: "pg_isready -q": a list, never a shell line; write exec: [pg_isready, -q]`}},
		{"wait: {exec: [a], giveUp: [0]}", []string{"4: " + step + `.wait.giveUp[0]: "0": a list of exit codes from 1 to 255, such as [66]`}},
		{"wait: {tcp: \"a:1\", giveUp: [1]}", []string{"4: " + step + ".wait.giveUp: is for exec; that of http is written within http"}},
		{"wait: {exit: main, holds: 1s}", []string{"4: " + step + ".wait.holds: means nothing with exit: a process that has exited stays so"}},
		{"{wait: {tcp: \"a:1\"}, env: {A: b}}", []string{"4: " + step + ".env: means nothing here; the action wait starts no program"}},
		{"{wait: {exec: a}, env: {A: b}}", []string{"4: " + step + `.wait.exec: "a": a list, never a shell line; write exec: [a]`}},
		{"wait: {http: {url: \"http://a\", body: \"(\"}}", []string{"4: " + step + `.wait.http.body: "(": ` + bodyRule + " (error parsing regexp: missing closing ): `(`)"}},
		{"wait: {http: {url: \"http://a\", giveUp: [99]}}", []string{"4: " + step + `.wait.http.giveUp[0]: "99": ` + statusRule}},
		{"wait: {quiet: {for: 3s}}", []string{"4: " + step + ".wait.quiet: has no port; write port: 8080, where the application listens"}},
		{"wait: {files: /a}", []string{`4: ` + step + `.wait: "files": no such field, did you mean "file"?`}},
		{"wait: {metric: {url: \"http://a\", name: b}}", []string{`4: ` + step + `.wait.metric: "b": a metric needs a bound, atMost or atLeast`}},
		{"wait: {metric: {url: \"http://a\", name: \"b c\", atMost: 1}}", []string{`4: ` + step + `.wait.metric: "b c": a metric has a name such as http_connections_active`}},
		{"wait: {metric: {url: \"http://a\", name: b, atMost: many}}", []string{`4: ` + step + `.wait.metric.atMost: "many": ` + numberRule}},
		{"wait: {metric: {url: \"http://a\", name: b, atMost: 1, atLeast: 2}}", []string{`4: ` + step + `.wait.metric: "b": no number is at least 2 and at most 1`}},
		{"wait: {metric: {url: \"http://a\", name: b, atMost: 1, goneIs: fine}}", []string{`4: ` + step + `.wait.metric.goneIs: "fine": error, done or wait`}},
		{"wait: {metric: {name: b, atMost: 1}}", []string{"4: " + step + ".wait.metric: has no url; " + urlRule}},
		{"signal: {to: main}", []string{"4: " + step + ".signal: has no signal; " + signalRule}},
		{"signal: {signal: HUP, to: \"pid:7\"}", []string{`4: ` + step + `.signal.to: "pid:7": ` + targetRule}},
		{"signal: {signal: HUP, to: \"pidfile:x\"}", []string{`4: ` + step + `.signal.to: "pidfile:x": pidfile: needs an absolute path after it`}},
		{"signal: {signal: HUP, to: \"name:a/b\"}", []string{`4: ` + step + `.signal.to: "name:a/b": name: needs a program's name without a / after it`}},
		{"write: {content: a}", []string{"4: " + step + ".write: has no file; an absolute path is needed"}},
		{"write: {file: /a/, mode: 9}", []string{
			`4: ` + step + `.write.file: "/a/": the path of a file, which does not end in /`,
			`4: ` + step + `.write.mode: "9": the permissions of a file in octal, such as 0644`}},
		{"remove: /", []string{`4: ` + step + `.remove: "/": the path of a file or an empty directory`}},
		{"scripts: {match: \"*\"}", []string{"4: " + step + ".scripts: has no dir; an absolute path is needed"}},
		{"scripts: {dir: /a, match: \"[\"}", []string{`4: ` + step + `.scripts.match: "[": a pattern of file names, such as *.sh or [0-9]*`}},
		{"parallel: []", []string{"4: " + step + ".parallel: empty; a group has at least one step"}},
		{"parallel: [{parallel: [{sleep: 1s}]}]", []string{"4: " + step + ".parallel[0]: a group in a group; its steps can be steps of the outer one"}},
		{"parallel: [{sleep: 1s, always: true}]", []string{"4: " + step + ".parallel[0].always: means nothing in a group; give it to the group"}},
		{"parallel: [{sleep: 1s}]\nretries: 2\nonce: true\nenv: {A: b}", []string{
			"5: " + step + ".retries: means nothing for a group; give it to its steps",
			"6: " + step + ".once: means nothing for a group; give it to its steps",
			"7: " + step + ".env: means nothing here; the action parallel starts no program"}},

		{"exec: [a]\nbackoff: 1s\nretryOn: [1]", []string{
			"5: " + step + ".backoff: means nothing without retries", "6: " + step + ".retryOn: means nothing without retries"}},
		{"exec: [a]\nretries: 101", []string{`5: ` + step + `.retries: "101": a number from 0 to 100`}},
		{"exec: [a]\nretries: 1\nretryOn: [0, sometimes]", []string{
			`6: ` + step + `.retryOn[0]: "0": a list of exit codes from 1 to 255 and timeout, such as [75, timeout]`,
			`6: ` + step + `.retryOn[1]: "sometimes": a list of exit codes from 1 to 255 and timeout, such as [75, timeout]`}},
		{"http: http://a\nretries: 1\nretryOn: [7, timeout]", []string{"6: " + step + ".retryOn[0]: means nothing here; the action http starts no program"}},
		{"http: http://a\nuser: 1000", []string{"5: " + step + ".user: means nothing here; the action http starts no program"}},
		{"exec: [a]\nuser: \"-1\"", []string{`5: ` + step + `.user: "-1": ` + userRule}},
		{"exec: [a]\nuser: 4294967295", []string{`5: ` + step + `.user: "4294967295": ` + userRule}},
		{"exec: [a]\nuser: root:wheel", []string{`5: ` + step + `.user: "root:wheel": ` + userRule}},
		{"exec: [a]\nwhen: {}", []string{"5: " + step + ".when: says nothing; trigger, reason, podEnds or unclean is needed"}},
		{"exec: [a]\nwhen: {reason: [deleted]}", []string{"5: " + step + ".when.reason: means nothing outside of shutdown and poststop; only these have a stop reason"}},
		{"exec: [a]\nwhen: {unclean: false}", []string{`5: ` + step + `.when.unclean: "false": true; a step without it runs however the start before has ended`}},
		{"exec: [a]\nwhen: {unclean: true}", []string{"5: " + step + ".when.unclean: means nothing outside of prestart; it is about the start of the container before this one"}},
		{"exec: [a]\nwhen: {trigger: [kubelet]}", []string{`5: ` + step + `.when.trigger[0]: "kubelet": one of exec, http, signal, start, watch`}},
		{"exec: [a]\nwhen: {podEnds: false}", []string{`5: ` + step + `.when.podEnds: "false": true; a step without it runs whether the pod ends or not`}},
	}
	for _, tt := range tests {
		_, err := Parse("f.yaml", []byte(inStep(tt.yaml)), nil)
		var errs *Errors
		if !errors.As(err, &errs) {
			t.Errorf("%s: got %v", tt.yaml, err)
			continue
		}
		if want := "f.yaml:" + strings.Join(tt.want, "\nf.yaml:"); err.Error() != want {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", tt.yaml, err, want)
		}
	}
}
