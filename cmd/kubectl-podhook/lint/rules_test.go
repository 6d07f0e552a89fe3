package lint

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type badCase struct {
	rule, base string
	change     []string
	args       []string
	also       []string // rules that find it too
	says       string   // a part of the message
}

// cases are the bad manifests. Each is a good one of testdata in which texts are replaced: old,
// new, old, new, ... The comment "# bad" marks the line of the finding.
func cases() []badCase {
	return []badCase{
		{rule: "settings", base: "exec", change: []string{`{name: PODHOOK_GRACE_PERIOD, value: 30s}`, `{name: PODHOOK_GRACE_PEROID, value: 30s} # bad`}, says: "PODHOOK_GRACE_PERIOD"},
		{rule: "settings", base: "exec", change: []string{`value: 30s}`, `value: "30"} # bad`}, says: "unit"},
		{rule: "settings", base: "run", change: []string{`- {name: PODHOOK_TLS, value: self-signed}`, `- {name: PODHOOK_TLS, value: self-signed}
    - {name: PODHOOK_TLS_KEY_FILE, value: /tls/key} # bad`}, says: "together"},
		{rule: "hooks", base: "exec", change: []string{`- sleep: 5s`, `- sleep: 5 # bad`}, says: "unit"},
		{rule: "hooks", base: "exec", change: []string{"shutdown:\n        timeout: 20s", "shutdown: # bad\n        timeout: 5s"}, says: "can never succeed", also: []string{"hook-budget", "readiness-late"}},
		{rule: "hooks", base: "run", change: []string{`- sleep: 5s`, `- slep: 5s # bad`}, says: `did you mean "sleep"?`},
		{rule: "hooks", base: "exec", change: []string{`{name: PODHOOK_MAIN, value: "pid:1"}`, `{name: PODHOOK_CONFIG, value: /etc/podhook/hooks.yaml} # bad`}, says: "no such file"},
		{rule: "hooks-hint", base: "exec", change: []string{`      shutdown:
        timeout: 20s`, `      reload: {} # bad
      shutdown:
        timeout: 20s`}, says: "no steps"},
		{rule: "hooks-unseen", base: "exec", change: []string{`configMap: {name: hooks}`, `configMap: {name: other}`, `{name: config, mountPath: /etc/podhook}`, `{name: config, mountPath: /etc/podhook} # bad`}, says: "not in the input"},
		{rule: "disabled", base: "exec", change: []string{`{name: PODHOOK_MAIN, value: "pid:1"}`, `{name: PODHOOK_DISABLED, value: "true"} # bad`}},

		{rule: "grace-period", base: "exec", change: []string{`terminationGracePeriodSeconds: 30`, `terminationGracePeriodSeconds: 28`, `value: 30s}`, `value: 30s} # bad`}, says: "write 28s"},
		{rule: "grace-period", base: "run", change: []string{"        httpGet:\n          path: /shutdown\n          port: podhook\n          scheme: HTTPS\n          httpHeaders:\n          - {name: X-Podhook-Token, value: 0123456789abcdef}", `        sleep: {seconds: 2}`,
			`value: 60s}`, `value: 60s} # bad`, "timeout: 44s", "timeout: 40s"}, says: "60 - 2s of the preStop sleep): write 58s"},
		{rule: "grace-period", base: "run", change: []string{"        httpGet:\n          path: /shutdown\n          port: podhook\n          scheme: HTTPS\n          httpHeaders:\n          - {name: X-Podhook-Token, value: 0123456789abcdef}", `        sleep: {seconds: 58}`,
			`value: 60s}`, `value: 60s} # bad`, "timeout: 44s", "timeout: 40s"}, says: "set a longer terminationGracePeriodSeconds", also: []string{"grace-budget"}},
		{rule: "grace-period", base: "exec", change: []string{`{path: /healthz, port: http}`, "{path: /healthz, port: http}\n          terminationGracePeriodSeconds: 10 # bad"}, says: "when this probe fails"},
		{rule: "grace-period-short", base: "exec", change: []string{`value: 30s}`, `value: 25s} # bad`}, says: "write 30s"},
		{rule: "grace-budget", base: "exec", change: []string{`terminationGracePeriodSeconds: 30`, `terminationGracePeriodSeconds: 15`, `value: 30s}`, `value: 15s}`, "shutdown:\n        timeout: 20s", "shutdown: # bad\n        timeout: 20s"}, says: "3 x 3s + 3s pauses"},
		{rule: "grace-budget", base: "exec", change: []string{`exec: {command: [/podhook-bin/podhook, shutdown]}`, `sleep: {seconds: 30}`, "preStop:", "preStop: # bad"}, says: "uses up", also: []string{"grace-period", "hook-uncalled"}},
		{rule: "hook-budget", base: "exec", change: []string{"shutdown:\n        timeout: 20s", "shutdown: # bad\n        timeout: 15s"}, says: "worst case"},
		{rule: "readiness-late", base: "exec", change: []string{"readinessProbe:", "readinessProbe: # bad", `failureThreshold: 1`, `failureThreshold: 3`}, says: "up to 15s"},
		{rule: "readiness-late", base: "sidecar", change: []string{"readinessProbe:", "readinessProbe: # bad", "      periodSeconds: 2\n", ""}, says: "up to 10s"},

		{rule: "hook-port", base: "sidecar", change: []string{`{path: /shutdown, port: 8080}`, `{path: /shutdown, port: 8082} # bad`}, says: "write 8080", also: []string{"hook-uncalled"}},
		{rule: "hook-port", base: "run", change: []string{"port: podhook\n", "port: podhok # bad\n"}, says: "no port of this name"},
		{rule: "hook-port", base: "exec", change: []string{`exec: {command: [/podhook-bin/podhook, shutdown]}`, `httpGet: {path: /drain, port: 9000} # bad`}, says: "declare this one", also: []string{"hook-uncalled"}},
		{rule: "hook-port", base: "sidecar", change: []string{"args: [serve]", `args: [serve, "--listen=:8082"]`, "endPort: 8079", "endPort: 8080", "port: 8081, endPort", "port: 8083, endPort", `{path: /api/start, port: 8080}`, `{path: /api/start, port: 8082}`, `{path: /shutdown, port: 8080}`, `{path: /shutdown, port: 8080} # bad`}, says: "write 8082", also: []string{"hook-uncalled"}},
		{rule: "port-taken", base: "sidecar", change: []string{`":8081"}`, `":8081"} # bad`, "    image: registry.example/web:1\n", "    image: registry.example/web:1\n    ports: [{containerPort: 8081}]\n"}, says: "container app"},
		{rule: "grace-period", base: "run", change: []string{"        httpGet:\n          path: /shutdown\n          port: podhook\n          scheme: HTTPS\n          httpHeaders:\n          - {name: X-Podhook-Token, value: 0123456789abcdef}", `        exec: {command: [/podhook, sleep, 2s]}`,
			`value: 60s}`, `value: 60s} # bad`, "timeout: 44s", "timeout: 40s"}, says: "write 58s"},
		{rule: "hook-path", base: "sidecar", change: []string{`{path: /shutdown, port: 8080}`, `{path: /preStop, port: 8080} # bad`}, says: "write /shutdown", also: []string{"hook-uncalled"}},
		{rule: "hook-path", base: "sidecar", change: []string{`{path: /shutdown, port: 8080}`, `{path: /shutdown, port: 8081} # bad`}, says: "PODHOOK_LISTEN", also: []string{"hook-uncalled"}},
		{rule: "hook-path", base: "sidecar", change: []string{`{path: /shutdown, port: 8080}`, `{path: /readyz, port: 8080} # bad`}, says: "runs no hook", also: []string{"hook-uncalled"}},
		{rule: "hook-name", base: "exec", change: []string{`exec: {command: [/podhook-bin/podhook, shutdown]}`, `exec: {command: [/podhook-bin/podhook, hook, preStop]} # bad`}, says: "write shutdown", also: []string{"hook-uncalled"}},
		{rule: "hook-wait", base: "sidecar", change: []string{`{path: /shutdown, port: 8080}`, `{path: "/shutdown?wait=false", port: 8080} # bad`}, says: "write /shutdown"},
		{rule: "hook-scheme", base: "run", change: []string{"scheme: HTTPS\n", "scheme: HTTP # bad\n"}, says: "scheme: HTTPS"},
		{rule: "hook-scheme", base: "sidecar", change: []string{`{path: /livez, port: 8081}`, `{path: /livez, port: 8081, scheme: HTTPS} # bad`}, says: "the probe fails"},
		{rule: "hook-token", base: "run", change: []string{"          httpHeaders:\n          - {name: X-Podhook-Token, value: 0123456789abcdef}\n", "", "        httpGet:\n", "        httpGet: # bad\n"}, says: "wants a token"},
		{rule: "hook-token", base: "run", change: []string{"httpHeaders:\n          - {name: X-Podhook-Token, value: 0123456789abcdef}", "httpHeaders: # bad\n          - {name: X-Podhook-Token, value: 0123456789abcdeX}"}, says: "not that of"},
		{rule: "hook-uncalled", base: "sidecar", change: []string{"      preStop:\n        httpGet: {path: /shutdown, port: 8080}\n", "", "  - name: podhook\n", "  - name: podhook # bad\n"}, says: "main containers are dead"},
		{rule: "hook-uncalled", base: "exec", change: []string{"          postStart:\n            exec: {command: [/podhook-bin/podhook, prestart]}\n", "", "lifecycle:", "lifecycle: # bad"}, says: "nothing calls the hook prestart"},
		{rule: "https-authorization", base: "run", change: []string{"- {name: PODHOOK_TLS, value: self-signed}\n    ", "", `- {name: X-Podhook-Token, value: 0123456789abcdef}`, `- {name: Authorization, value: Bearer 0123456789abcdef} # bad`}, says: "X-Podhook-Token", also: []string{"hook-scheme"}},
		{rule: "host-network", base: "sidecar", change: []string{"  shareProcessNamespace: true\n", "  shareProcessNamespace: true\n  hostNetwork: true\n", `{path: /api/start, port: 8080}`, `{path: /api/start, port: 8080, host: 127.0.0.1}`, "  preStop:\n        httpGet:", "  preStop:\n        httpGet: # bad\n         "}, says: "host: 127.0.0.1", also: []string{"restricted", "open-hooks"}},
		{rule: "loopback-host", base: "sidecar", change: []string{`{path: /shutdown, port: 8080}`, `{path: /shutdown, port: 8080, host: 127.0.0.1} # bad`}, says: "the node's own", also: []string{"restricted", "hook-uncalled"}},
		{rule: "loopback-listen", base: "sidecar", change: []string{`":8081"`, `"127.0.0.1:8081"`, `{path: /livez, port: 8081}`, `{path: /livez, port: 8081} # bad`, `{path: /readyz, port: 8081}`, `{path: /readyz, port: 8081} # bad`}, says: "PODHOOK_METRICS_LISTEN=:8081"},
		{rule: "post-start-http", base: "run", change: []string{"    lifecycle:\n", "    lifecycle:\n      postStart:\n        httpGet: {path: /hot, port: 8000} # bad\n"}, says: "before the container listens"},
		{rule: "post-start-http", base: "sidecar", change: []string{`{path: /api/start, port: 8080}`, `{path: /warm, port: 9000} # bad`, "  volumes:\n  - name: config", "  - name: cache\n    image: registry.example/cache:1\n    ports: [{containerPort: 9000}]\n    securityContext: *restricted\n  volumes:\n  - name: config"}, says: "starts the container cache only after", also: []string{"hook-uncalled"}},
		{rule: "liveness-ready", base: "sidecar", change: []string{`{path: /livez, port: 8081}`, `{path: /readyz, port: 8081} # bad`}, says: "write /livez"},
		{rule: "liveness-ready", base: "exec", change: []string{`httpGet: {path: /healthz, port: http}`, `exec: {command: [/podhook-bin/podhook, ready]} # bad`}},

		{rule: "main-missing", base: "sidecar", change: []string{"    - {name: PODHOOK_MAIN, value: \"name:web\"}\n", "", "- signal: QUIT", "- signal: QUIT # bad", "        - wait: {exit: main}\n          timeout: 19s\n", ""}, says: "PODHOOK_MAIN"},
		{rule: "main-unseen", base: "sidecar", change: []string{"  shareProcessNamespace: true\n", "", `{name: PODHOOK_MAIN, value: "name:web"}`, `{name: PODHOOK_MAIN, value: "name:web"} # bad`}, says: "shareProcessNamespace: true"},
		{rule: "main-user", base: "sidecar", change: []string{"    securityContext: &restricted\n", "    securityContext: &restricted\n      runAsUser: 1000 # bad\n", "    securityContext: *restricted\n", "    securityContext: {runAsUser: 65532, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n"}, says: "user 65532"},
		{rule: "stop-signal", base: "run", args: []string{"--gate", "ContainerStopSignals"}, change: []string{"    lifecycle:\n", "    lifecycle:\n      stopSignal: SIGQUIT # bad\n"}, says: "PODHOOK_STOP_SIGNALS=TERM,INT,QUIT"},
		{rule: "stop-signal", base: "run", change: []string{"image: registry.example/web:1", "image: docker.io/library/nginx:1.29 # bad"}, says: "SIGQUIT"},
		{rule: "stop-signal-ignored", base: "exec", change: []string{"        lifecycle:\n", "        lifecycle:\n          stopSignal: SIGQUIT # bad\n"}, says: "os: {name: linux}"},
		{rule: "stop-signal-ignored", base: "run", change: []string{"    lifecycle:\n", "    lifecycle:\n      stopSignal: SIGTERM # bad\n"}, says: "--gate ContainerStopSignals"},
		{rule: "stop-signal-ignored", base: "run", args: []string{"--kubernetes", "v1.34.4", "--gate", "ContainerStopSignals"}, change: []string{"    lifecycle:\n", "    lifecycle:\n      stopSignal: SIGTERM # bad\n"}, says: "1.34 sends SIGTERM"},

		{rule: "podhook-missing", base: "exec", change: []string{"args: [install, /podhook-bin]", "args: [sleep, 1s]", "- {name: bin, mountPath: /podhook-bin, readOnly: true}", "- {name: tools, mountPath: /podhook-bin, readOnly: true}",
			"      - name: bin\n", "      - name: tools\n        emptyDir: {}\n      - name: bin\n", "exec: {command: [/podhook-bin/podhook, prestart]}", "exec: {command: [/podhook-bin/podhook, prestart]} # bad",
			"exec: {command: [/podhook-bin/podhook, shutdown]}", "exec: {command: [/podhook-bin/podhook, shutdown]} # bad", "exec: {command: [/podhook-bin/podhook, ready]}", "exec: {command: [/podhook-bin/podhook, ready]} # bad"}, says: "install, /podhook-bin"},
		{rule: "image-volume", base: "exec", args: []string{"--kubernetes", "1.34"}, change: []string{"      - name: bin\n        emptyDir: {}", "      - name: bin\n        image: {reference: \"registry.example/podhook:v1\"} # bad"}, says: "--gate ImageVolume"},
		{rule: "serve-init", base: "sidecar", change: []string{"    restartPolicy: Always\n", "", "  - name: podhook\n", "  - name: podhook # bad\n"}, says: "restartPolicy: Always"},
		{rule: "state-dir", base: "run", change: []string{"{name: PODHOOK_STATE_DIR, value: /state/app}", "{name: PODHOOK_STATE_DIR, value: /var/podhook} # bad"}, says: "emptyDir"},
		{rule: "state-dir", base: "run", change: []string{"marker: /state/down", "marker: /var/down", "          shutdown:\n", "          shutdown: # bad\n"}, says: "root is read-only"},
		{rule: "state-shared", base: "run", change: []string{"  volumes:\n  - name: state", `  - name: other
    image: registry.example/web:1
    command: [/podhook, run, --, /other]
    env:
    - {name: PODHOOK_STATE_DIR, value: /shared/app} # bad
    - {name: PODHOOK_GRACE_PERIOD, value: 60s}
    securityContext:
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
    volumeMounts:
    - {name: state, mountPath: /shared}
  volumes:
  - name: state`}, says: "the container app too"},
		{rule: "open-hooks", base: "sidecar", change: []string{"endPort: 8079", "endPort: 8080", `{name: PODHOOK_LISTEN, value: ":8080"}`, `{name: PODHOOK_LISTEN, value: ":8080"} # bad`}, says: "port 8080"},
		{rule: "restricted", base: "run", change: []string{"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true # bad"}},
		{rule: "restricted", base: "sidecar", change: []string{"seccompProfile: {type: RuntimeDefault}", "fsGroup: 1", "    securityContext: &restricted", "    securityContext: &restricted # bad", "    securityContext: *restricted", "    securityContext: *restricted # bad"}, says: "seccompProfile: {type: RuntimeDefault}"},
	}
}

// bad returns the manifest of a case and the lines of its findings.
func bad(t *testing.T, base string, change []string) (text string, lines []int) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", base+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text = string(data)
	for i := 0; i < len(change); i += 2 {
		if !strings.Contains(text, change[i]) {
			t.Fatalf("testdata/%s.yaml has no %q any more", base, change[i])
		}
		text = strings.ReplaceAll(text, change[i], change[i+1])
	}
	for i, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "# bad") {
			lines = append(lines, i+1)
		}
	}
	if len(lines) == 0 {
		t.Fatalf("nothing is marked as bad: is %q not in testdata/%s.yaml any more?", change, base)
	}
	return text, lines
}

// lintText runs lint on the text of a manifest.
func lintText(t *testing.T, text string, args ...string) (r result, code int) {
	t.Helper()
	var out bytes.Buffer
	code, err := run(append([]string{"-f", "-", "-o", "json"}, args...), strings.NewReader(text), &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r, code
}

func TestGoodManifests(t *testing.T) {
	for _, base := range []string{"exec", "sidecar", "run"} {
		text, err := os.ReadFile(filepath.Join("testdata", base+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if r, code := lintText(t, string(text), "--strict"); code != exitClean || len(r.Findings) > 0 {
			t.Errorf("%s: exit code %d, %+v", base, code, r.Findings)
		}
	}
}

// Each bad manifest has findings of its rule at the marked lines and of no other rule.
func TestBadManifests(t *testing.T) {
	for _, c := range cases() {
		text, want := bad(t, c.base, c.change)
		r, code := lintText(t, text, append(c.args, "--strict")...)
		if code != exitFindings {
			t.Errorf("%s: exit code %d", c.rule, code)
		}
		var lines []int
		for _, f := range r.Findings {
			switch {
			case f.Rule == c.rule:
				lines = append(lines, f.Line)
				if !strings.Contains(f.Message, c.says) {
					t.Errorf("%s: %q does not say %q", c.rule, f.Message, c.says)
				}
			case !slices.Contains(c.also, f.Rule):
				t.Errorf("%s: also %+v", c.rule, f)
			}
		}
		if lines = slices.Compact(lines); !slices.Equal(lines, want) {
			t.Errorf("%s: findings in lines %d, want %d: %+v", c.rule, lines, want, r.Findings)
		}
	}
}

// Every rule has a bad manifest.
func TestEveryRuleIsTested(t *testing.T) {
	for _, r := range allRules() {
		if !slices.ContainsFunc(cases(), func(c badCase) bool { return c.rule == r.id }) {
			t.Errorf("no bad manifest for the rule %s", r.id)
		}
	}
}
