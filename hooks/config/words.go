package config

import (
	"slices"
	"strconv"
	"strings"
)

// place is a kind of mapping in the configuration, known by one of its fields.
type place string

const (
	atTop   place = "hooks"
	inHook  place = "steps"
	inAStep place = "exec"
	inWait  place = "tcp"
)

// foreign is a word of Kubernetes, Docker or a similar program, and what podhook has
// instead.
type foreign struct {
	words   string // separated by blanks
	instead string
}

// foreignWords returns the foreign words of a place.
func foreignWords(at place) []foreign {
	const asStep = "it belongs into a step: steps: [{%}]"
	switch at {
	case atTop:
		return []foreign{
			{"lifecycle preStop postStart preStart prestop poststop shutdown prestart", "write prestart and shutdown under hooks:"},
			{"readiness readinessProbe", `write ready: [{http: "http://127.0.0.1:8081/healthz"}]; the readinessProbe of the Pod calls /readyz`},
			{"livenessProbe startupProbe", "the livenessProbe of the Pod calls /livez"},
			{"steps timeout marker paths", "it is a field of a hook: write it under hooks: and the hook's name"},
			{"terminationGracePeriodSeconds gracePeriod grace", "set PODHOOK_GRACE_PERIOD"},
			{"listen port", "set PODHOOK_LISTEN"},
		}
	case inHook:
		return []foreign{
			{"exec command run cmd args script", strings.Replace(asStep, "%", "exec: [PROGRAM, ARGUMENT]", 1)},
			{"httpGet http url", strings.Replace(asStep, "%", "http: http://127.0.0.1:8080/path", 1)},
			{"tcpSocket wait", strings.Replace(asStep, "%", `wait: {tcp: "127.0.0.1:8080"}`, 1)},
			{"sleep delay initialDelaySeconds", strings.Replace(asStep, "%", "sleep: 5s", 1)},
			{"signal", strings.Replace(asStep, "%", "signal: QUIT", 1)},
			{"scripts", strings.Replace(asStep, "%", "scripts: /etc/podhook/shutdown.d", 1)},
			{"timeoutSeconds terminationGracePeriodSeconds", "write timeout: 30s"},
			{"retry retries failureThreshold onFailure when", "it is a field of a step"},
		}
	case inAStep:
		return []foreign{
			{"command cmd run args entrypoint", "write exec: [PROGRAM, ARGUMENT]"},
			{"shell sh bash script", `write exec: [sh, -c, "..."]`},
			{"httpGet url curl webhook", "write http: http://127.0.0.1:8080/path"},
			{"tcpSocket tcp grpc", `write wait: {tcp: "127.0.0.1:8080"}`},
			{"file gone metric", "write it under wait:"},
			{"retry attempts failureThreshold", "write retries: 3"},
			{"timeoutSeconds", "write timeout: 5s"},
			{"delay initialDelaySeconds", "write a step {sleep: 5s} before this one"},
			{"periodSeconds interval", "interval is a field of wait: {tcp: ..., interval: 1s}"},
			{"environment envFrom", "write env: {NAME: value}"},
			{"workdir cwd dir", "write workingDir: /path"},
			{"runAsUser uid securityContext", "write user: 1000"},
			{"allowPrivilegeEscalation noNewPrivs no_new_privs", "write noNewPrivileges: true"},
			{"kill", "write signal: QUIT"},
			{"touch marker", "write write: /path, or marker: in the hook"},
			{"rm delete unlink", "write remove: [/path]"},
			{"ignoreErrors ignoreError allowFailure continueOnError", "write onFailure: ignore"},
			{"if condition only", "write when: {...}"},
			{"steps", "a step has no steps; write parallel: [...]"},
		}
	case inWait:
		return []foreign{
			{"tcpSocket port address socket", `write tcp: "127.0.0.1:8080"`},
			{"httpGet url", "write http: http://127.0.0.1:8080/path"},
			{"path exists", "write file: /path"},
			{"periodSeconds", "write interval: 1s"},
			{"timeoutSeconds timeout retries failureThreshold", "write timeout: 30s in the step, beside wait:"},
			{"process main", "write exit: main"},
			{"sleep for", "write a step {sleep: 5s}"},
		}
	}
	return nil
}

// instead says what to write instead of a foreign word, or returns "".
func instead(word string, table []field) string {
	for _, at := range []place{atTop, inHook, inAStep, inWait} {
		if lookUp(table, string(at)) == nil {
			continue
		}
		for _, f := range foreignWords(at) {
			same := func(known string) bool { return fold(known) == fold(word) }
			if slices.ContainsFunc(strings.Fields(f.words), same) {
				return f.instead
			}
		}
	}
	return ""
}

// suggestion says what was probably meant by an unknown field. Where that is not known
// it names all fields, once for each kind of mapping: a list of 22 names helps once.
func (d *decoder) suggestion(name string, table []field) string {
	if text := instead(name, table); text != "" {
		return "; " + text
	}
	names := make([]string, len(table))
	for i, f := range table {
		names[i] = f.name
	}
	if near := Nearest(name, names); near != "" {
		return ", did you mean " + strconv.Quote(near) + "?"
	}
	return d.firstTime("; allowed: " + strings.Join(names, ", "))
}

// firstTime returns a text, and "" if it was returned before.
func (d *decoder) firstTime(text string) string {
	if d.said[text] {
		return ""
	}
	if d.said == nil {
		d.said = map[string]bool{}
	}
	d.said[text] = true
	return text
}
