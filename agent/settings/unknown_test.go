package settings

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// serviceVariables are what kubelet injects for a Service with these ports
// (Kubernetes: pkg/kubelet/envvars).
func serviceVariables(service, ip string) []string {
	prefix := strings.ToUpper(strings.ReplaceAll(service, "-", "_"))
	host := ip
	if strings.Contains(ip, ":") {
		host = "[" + ip + "]"
	}
	all := []string{
		prefix + "_SERVICE_HOST=" + ip, prefix + "_SERVICE_PORT=80",
		prefix + "_SERVICE_PORT_HTTP=80", prefix + "_SERVICE_PORT_LISTEN_2=9", prefix + "_PORT=tcp://" + host + ":80",
	}
	for _, protocol := range []string{"tcp", "udp", "sctp"} {
		port := fmt.Sprintf("%s_PORT_80_%s", prefix, strings.ToUpper(protocol))
		all = append(all, port+"="+protocol+"://"+host+":80", port+"_PROTO="+protocol, port+"_PORT=80", port+"_ADDR="+ip)
	}
	return all
}

func TestServicesDoNoHarm(t *testing.T) {
	var all []string
	for _, service := range []string{"podhook", "podhook-metrics", "podhook-listen", "podhook-state-dir", "podhook-main", "podhook-port"} {
		all = append(all, serviceVariables(service, "10.96.0.17")...)
	}
	if got := mustLoad(t, all...); !reflect.DeepEqual(got, defaults()) {
		t.Errorf("with Services' variables got\n%+v, want\n%+v", got, defaults())
	}
	mustLoad(t, serviceVariables("podhook", "fd00::17")...)
}

func TestStepVariablesDoNoHarm(t *testing.T) {
	mustLoad(t, "PODHOOK_HOOK=prestart", "PODHOOK_STEP=a", "PODHOOK_RUN_ID=1", "PODHOOK_ATTEMPT=1", "PODHOOK_TRIGGER=exec", "PODHOOK_CALLERS=a/1 b/2",
		"PODHOOK_DEADLINE=2026-01-01T00:00:00Z", "PODHOOK_MAIN_EXIT_CODE=0", "PODHOOK_MAIN_EXIT_SIGNAL=SIGTERM")
}

func TestUnknownVariables(t *testing.T) {
	for entry, want := range map[string]string{
		"PODHOOK_LISTENN=:8080":         `PODHOOK_LISTENN: there is no such setting, did you mean PODHOOK_LISTEN?`,
		"PODHOOK_STATEDIR=/x":           `PODHOOK_STATEDIR: there is no such setting, did you mean PODHOOK_STATE_DIR?`,
		"PODHOOK_GRACE_PEROID=":         `PODHOOK_GRACE_PEROID: there is no such setting, did you mean PODHOOK_GRACE_PERIOD?`,
		"PODHOOK_PORT=8080":             `PODHOOK_PORT: there is no such setting, did you mean PODHOOK_LISTEN, such as PODHOOK_LISTEN=:8080?`,
		"PODHOOK_HOST=0.0.0.0":          `PODHOOK_HOST: there is no such setting, did you mean PODHOOK_LISTEN, such as PODHOOK_LISTEN=:8080?`,
		"PODHOOK_PORT=http://x":         `PODHOOK_PORT: there is no such setting, did you mean PODHOOK_LISTEN, such as PODHOOK_LISTEN=:8080?`,
		"PODHOOK_SOMETHING_QUITE_ELS=1": `PODHOOK_SOMETHING_QUITE_ELS: there is no such setting; podhook help lists them`,
		"PODHOOK_=1":                    `PODHOOK_: there is no such setting; podhook help lists them`,
	} {
		if got := problems(t, entry); len(got) != 1 || got[0] != want {
			t.Errorf("%s:\n got %q\nwant %q", entry, got, want)
		}
	}
}

// More people read the log than the Pod's manifest. So an error does not show the value
// of an unknown variable, or a secret in a URL.
func TestSecretsAreNotShown(t *testing.T) {
	const secret = "hunter2"
	for _, name := range []string{"PODHOOK_HTTP_TOKEN", "PODHOOK_CLIENT_SECRET", "PODHOOK_KEY", "PODHOOK_TEXT", "PODHOOK_PORT", "PODHOOK_NAME", "PODHOOK_ENV_X"} {
		got := problems(t, name+"="+secret)
		if len(got) != 1 || strings.Contains(got[0], secret) || !strings.HasPrefix(got[0], name+": ") {
			t.Errorf("problems are %q, want one of %s without its value", got, name)
		}
	}
	for _, row := range Table() {
		for _, url := range []string{"https://user:" + secret + "@host/x", "http://host/x?token=" + secret} {
			if _, err := load(t, row.Name+"="+url); err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", row.Name, err)
			}
		}
	}
}

// linkVariables are what docker run --link CONTAINER:ALIAS sets, here for a port and
// for a range of ports, and for the variables of the linked container.
func linkVariables(alias string) []string {
	prefix := strings.ToUpper(strings.ReplaceAll(alias, "-", "_"))
	all := []string{prefix + "_NAME=/app/" + alias, prefix + "_ENV_FOO=1", prefix + "_ENV_LISTEN=:80", prefix + "_PORT=tcp://172.17.0.2:8080"}
	for _, suffix := range []string{"=tcp://172.17.0.2:8080", "_ADDR=172.17.0.2", "_PORT=8080", "_PROTO=tcp",
		"_START=tcp://172.17.0.2:8080", "_END=tcp://172.17.0.2:8090", "_PORT_START=8080", "_PORT_END=8090"} {
		all = append(all, prefix+"_PORT_8080_TCP"+suffix)
	}
	return all
}

func TestLinksDoNoHarm(t *testing.T) {
	var all []string
	for _, alias := range []string{"podhook", "podhook-state", "podhook-listen"} {
		all = append(all, linkVariables(alias)...)
	}
	if got := mustLoad(t, all...); !reflect.DeepEqual(got, defaults()) {
		t.Errorf("with links' variables got\n%+v, want\n%+v", got, defaults())
	}
	// Variables of no link are mistakes.
	got := problems(t, append(linkVariables("podhook-state"), "PODHOOK_ENV_FOO=1", "PODHOOK_NAME=x", "PODHOOK_PORT_X_TCP=1")...)
	if len(got) != 3 {
		t.Errorf("got %q", got)
	}
}

func TestOthersVariablesAreNotLookedAt(t *testing.T) {
	mustLoad(t, "PODHOOKS_LISTEN=x", "MY_PODHOOK_LISTEN=x", "podhook_listen=x")
}
