package prove

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/podhook/podhook/hooks/config"
)

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("../podhook.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plain is a YAML text as a validator takes it, by way of JSON.
func plain(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	return value
}

func step(text string) string {
	return "hooks:\n  own:\n    steps:\n    - " + strings.ReplaceAll(text, "\n", "\n      ") + "\n"
}

func TestGood(t *testing.T) {
	s := compile(t)
	for _, text := range []string{
		"hooks: {}\n", "hooks: {prestart: {}}", "hooks: {own: {steps: []}}", "hooks: {own: {paths: }}", "hooks: {own: {watch: [/etc/nginx, \"${DIR:-/etc/app}\"], debounce: 2s}}",
		"hooks: {prestart: {steps: [{remove: /a, when: {unclean: true}}]}}", "hooks: {poststop: {steps: [{remove: /a, when: {reason: [evicted, node-shutdown]}}]}}",
		"hooks:\n  shutdown: {timeout: 1m30s, paths: [/api/shutdown], marker: /shared/x, steps: []}",
		step("exec: [sleep, 5, 1.5, true]\ntimeout: ${STEP_TIMEOUT:-5s}\nretries: 2\nbackoff: 500ms\nretryOn: [75, timeout]\nonFailure: ignore\nonce: true\nalways: true\nwhen: {trigger: [exec, http], podEnds: true}\nenv: {A: b, N: 5}\nworkingDir: /tmp\nuser: 1000:1000\nnoNewPrivileges: true\nkillAfter: 1s\nname: all"),
		step("wait: {connections: {port: 8080}}"), step("wait: {quiet: {port: 8080, for: 3s, atLeast: 1s, ignore: [10.0.0.1]}, interval: 50ms}"), step("wait: {connections: {ports: [\"80\", 8443], atMost: 2, loopback: true, ignore: [10.0.0.0/8, \"::1\"], idleFor: 10s}}"),
		step("scripts: /a.d"), step("scripts: {dir: /a.d, match: \"*.sh\"}\nuser: nobody\nnoNewPrivileges: false"),
		step("sleep: 0.5s"), step("sleep: \"${DELAY:-5s}\""),
		step("signal: QUIT"), step("signal: SIGUSR1"), step("signal: 15"), step("signal: \"15\""), step("signal: RTMIN+3"), step("signal: {signal: HUP, to: \"pidfile:/run/nginx.pid\"}"),
		step("http: http://127.0.0.1:9901/quit"), step("http: \"unix:/run/app.sock:/quit\""),
		step("http: {method: POST, url: \"https://a\", headers: {A: b, T: {prefix: \"Bearer \", file: /token}}, body: 5, status: [200, 2xx, 200-204], caFile: /ca}"),
		step("http: {url: \"https://a\", insecureSkipVerify: true, status: 204}"),
		step("http: {url: \"https://a\", caFile: /ca, certFile: /c, keyFile: /k}"), step("http: {url: \"${URL:-https://a}\", certFile: /c, keyFile: /k, insecureSkipVerify: true}"),
		step("wait: {metric: {url: \"https://a\", name: b, atMost: 0, certFile: /c, keyFile: /k}}"), "ready: [{http: {url: \"https://a\", certFile: /c, keyFile: /k}}]\nhooks: {}",
		step("wait: {tcp: \"[::1]:80\", interval: 1s}"), step("wait: {http: http://a}"), step("wait: {file: /a}"), step("wait: {gone: /a}"), step("wait: {exit: main}"),
		step("wait: {metric: {url: \"http://a\", name: b, labels: {c: d}, atMost: 0, atLeast: -1.5e3, goneIs: done}}"),
		step("write: {file: /a, content: \"x\\n\", mode: 0644}"), step("write: {file: /a, mode: \"0600\"}"), step("remove: /a"),
		step("parallel: [{sleep: 1s}, {exec: [a], retries: 2}]\ntimeout: 5s\nalways: true"),
	} {
		if _, err := config.Parse("good", []byte(text), nil); err != nil {
			t.Errorf("podhook: %v in\n%s", err, text)
		}
		if err := s.Validate(plain(t, text)); err != nil {
			t.Errorf("the schema: %v in\n%s", err, text)
		}
	}
}

// Each breaks one rule, and both refuse it.
func TestBad(t *testing.T) {
	s := compile(t)
	for _, text := range []string{
		"", "{}", "hooks:\n", "hooks:\n  prestart:\n", "hooks: {own: {steps: }}", "hook: {}", "[]", "hooks: []", "hooks: {Own: {}}", "hooks: {preStop: {}}", "hooks: {-a: {}}",
		"hooks: {a: []}", "hooks: {a: {timeouts: 5s}}", "hooks: {a: {timeout: 5}}", "hooks: {a: {timeout: [5s]}}", "hooks: {a: {paths: /a}}", "hooks: {a: {paths: [a]}}",
		"hooks: {a: {marker: here}}", "hooks: {a: {watch: []}}", "hooks: {a: {watch: }}", "hooks: {a: {watch: /a}}", "hooks: {a: {watch: [a]}}", "hooks: {a: {debounce: 1s}}",
		"hooks: {shutdown: {watch: [/a]}}", "hooks: {prestart: {watch: [/a]}}", "hooks: {poststop: {watch: [/a]}}", "hooks: {a: {steps: {sleep: 1s}}}", "hooks: {a: {steps: [sleep]}}",
		step("{}"), step("name: a"), step("sleep: 1s\nexec: [a]"), step("slep: 1s"), step("sleep: 5"), step("sleep: soon"), step("sleep:"),
		step("exec: ls -l"), step("exec: []"), step("exec:"), step("exec: [[a]]"), step("exec: [a, null]"),
		step("exec: [a]\ntimeout: 10"), step("exec: [a]\nretries: 101"), step("exec: [a]\nretries: -1"), step("exec: [a]\nretries: many"),
		step("exec: [a]\nbackoff: 1s"), step("exec: [a]\nretryOn: [1]"), step("exec: [a]\nretries: 1\nretryOn: [256]"), step("exec: [a]\nretries: 1\nretryOn: []"), step("exec: [a]\nretries: 1\nretryOn: [sometimes]"),
		step("exec: [a]\nonFailure: stop"), step("exec: [a]\nonce: sometimes"), step("exec: [a]\nalways: 1"),
		step("exec: [a]\nwhen: {}"), step("exec: [a]\nwhen: {trigger: [kubelet]}"), step("exec: [a]\nwhen: {podEnds: false}"), step("exec: [a]\nwhen: {unclean: false}"), step("exec: [a]\nwhen: {reason: [oom]}"), step("exec: [a]\nwhen: {pod: true}"),
		step("exec: [a]\nenv: [A=b]"), step("exec: [a]\nenv: {\"A=B\": c}"), step("exec: [a]\nenv: {A: {b: c}}"), step("exec: [a]\nworkingDir: tmp"),
		step("exec: [a]\nuser: -1"), step("exec: [a]\nuser: root:wheel"), step("exec: [a]\nuser: 4294967295"), step("exec: [a]\nkillAfter: 2"), step("exec: [a]\nname: a b"), step("exec: [a]\nname: \"\""),
		step("sleep: 1s\nenv: {A: b}"), step("sleep: 1s\nworkingDir: /tmp"), step("sleep: 1s\nuser: 1"), step("sleep: 1s\nnoNewPrivileges: true"), step("exec: [a]\nnoNewPrivileges: 1"), step("sleep: 1s\nkillAfter: 1s"),
		step("wait: {connections: {}}"), step("wait: {quiet: {for: 3s}}"), step("wait: {quiet: {port: 80, atMost: 1}}"), step("wait: {connections: {port: 0}}"), step("wait: {connections: {port: 80, idleFor: 10}}"), step("wait: {connections: {port: 80, ignore: [pods]}}"), step("wait: {connections: {port: 80, tcp: x}}"),
		step("scripts: a.d"), step("scripts: {match: a}"), step("scripts: {dir: a}"), step("scripts: {directory: /a}"),
		step("signal: [HUP]"), step("signal: 65"), step("signal: 0"), step("signal: {to: main}"), step("signal: {signal: HUP, to: \"pid:7\"}"), step("signal: {signal: HUP, to: \"name:a/b\"}"),
		step("http: ftp://a"), step("http: {method: GET}"), step("http: {url: \"http://a\", method: get}"), step("http: {url: \"http://a\", status: 99}"), step("http: {url: \"http://a\", status: [2x]}"),
		step("http: {url: \"http://a\", caFile: /ca}"), step("http: {url: \"http://a\", insecureSkipVerify: true}"), step("http: {url: \"https://a\", caFile: /ca, insecureSkipVerify: true}"),
		step("http: {url: \"https://a\", certFile: /c}"), step("http: {url: \"https://a\", keyFile: /k}"), step("http: {url: \"http://a\", certFile: /c, keyFile: /k}"), step("http: {url: \"https://a\", certFile: c, keyFile: /k}"),
		step("http: {url: \"unix:/a:/b\", certFile: /c, keyFile: /k}"), step("wait: {http: {url: \"https://a\", certFile: /c}}"), step("wait: {metric: {url: \"https://a\", name: b, atMost: 0, keyFile: /k}}"), "ready: [{http: {url: \"https://a\", certFile: /c}}]\nhooks: {}",
		step("http: {url: \"http://a\", headers: [A]}"), step("http: {url: \"http://a\", headers: {A: {prefix: b}}}"), step("http: {url: \"http://a\", headers: {A: {file: b}}}"), step("http: {url: \"http://a\", header: {}}"),
		step("wait: {}"), step("wait: 5s"), step("wait: {tcp: \"a:1\", file: /b}"), step("wait: {tcp: localhost}"), step("wait: {exit: child}"), step("wait: {file: a}"), step("wait: {interval: 5s}"), step("wait: {file: /a, interval: 5}"), step("wait: {files: /a}"), step("wait: {http: {method: GET}}"),
		step("wait: {metric: {url: \"http://a\", name: b}}"), step("wait: {metric: {name: b, atMost: 1}}"), step("wait: {metric: {url: \"http://a\", atMost: 1}}"), step("wait: {metric: {url: \"http://a\", name: b, atMost: many}}"), step("wait: {metric: {url: \"http://a\", name: b, atMost: 1, goneIs: fine}}"), step("wait: {metric: {url: \"http://a\", name: b, atMost: 1, labels: [a]}}"),
		step("write: /a"), step("write: {content: a}"), step("write: {file: a}"), step("write: {file: /a, mode: rw}"), step("write: {file: /a, content: [b]}"),
		step("remove: a"), step("remove: {path: /a}"),
		step("parallel: []"), step("parallel: {sleep: 1s}"), step("parallel: [{parallel: [{sleep: 1s}]}]"), step("parallel: [{sleep: 1s, always: true}]"), step("parallel: [{sleep: 1s, when: {podEnds: true}}]"), step("parallel: [{}]"),
		step("parallel: [{sleep: 1s}]\nretries: 1"), step("parallel: [{sleep: 1s}]\nonce: true"), step("parallel: [{sleep: 1s}]\nenv: {A: b}"),
	} {
		if _, err := config.Parse("bad", []byte(text), nil); err == nil {
			t.Errorf("podhook accepts\n%s", text)
		}
		if err := s.Validate(plain(t, text)); err == nil {
			t.Errorf("the schema accepts\n%s", text)
		}
	}
}
