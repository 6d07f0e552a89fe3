package settings

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// load reads the settings with exactly these variables set.
func load(t *testing.T, entries ...string) (*Settings, error) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, Prefix) {
			t.Setenv(name, value) // puts it back when the test ends
			os.Unsetenv(name)
		}
	}
	for _, entry := range entries {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	return Load(os.Environ())
}

func mustLoad(t *testing.T, entries ...string) *Settings {
	t.Helper()
	s, err := load(t, entries...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// problems returns the lines of the error that the variables cause.
func problems(t *testing.T, entries ...string) []string {
	t.Helper()
	_, err := load(t, entries...)
	var all *Error
	if !errors.As(err, &all) {
		t.Fatalf("%q: error is %v, want an *Error", entries, err)
	}
	if got := strings.Split(err.Error(), "\n"); !reflect.DeepEqual(got, all.Problems) {
		t.Errorf("Error() is %q, want a line for each of %q", got, all.Problems)
	}
	return all.Problems
}

func defaults() *Settings {
	return &Settings{
		MaxConnections: 96, KubeletFailure: Abort, UnreadyOnShutdown: true,
		GracePeriod: 30 * time.Second, GraceMargin: 2 * time.Second,
		StopSignals: Signals{syscall.SIGTERM, syscall.SIGINT},
		LogFormat:   Text, OutputLimit: 64 << 10,
	}
}

func TestDefaults(t *testing.T) {
	if got := mustLoad(t); !reflect.DeepEqual(got, defaults()) {
		t.Errorf("nothing set gives\n%+v, want\n%+v", got, defaults())
	}
}

func TestEverySettingIsRead(t *testing.T) {
	const text = "hooks: {}\n"
	entries := []string{
		"PODHOOK_DISABLED=true", "PODHOOK_CONFIG=/etc/hooks//podhook.yaml", "PODHOOK_STATE_DIR=/state",
		"PODHOOK_LISTEN=127.0.0.1:9000", "PODHOOK_MAX_CONNECTIONS=7", "PODHOOK_KUBELET_FAILURE=status",
		"PODHOOK_UNREADY_ON_SHUTDOWN=false", "PODHOOK_MAIN=pidfile:/run/nginx.pid", "PODHOOK_GRACE_PERIOD=1m30s",
		"PODHOOK_GRACE_MARGIN=0s", "PODHOOK_LOG_FORMAT=json", "PODHOOK_OUTPUT_LIMIT=1MiB",
		"PODHOOK_STOP_SIGNALS=WINCH,SIGTERM", "PODHOOK_STOP_SIGNAL=QUIT",
		"PODHOOK_TERMINATION_LOG=off", "PODHOOK_METRICS_RUNTIME=true",
		"PODHOOK_ALLOW_WORLD_WRITABLE=true", "PODHOOK_TOKEN_FILE=/tokens", "PODHOOK_METRICS_LISTEN=unix:/run/podhook.sock",
		"PODHOOK_ALLOW_FROM=10.0.0.0/8,gateway", "PODHOOK_TLS_CERT_FILE=/tls.crt", "PODHOOK_TLS_KEY_FILE=/tls.key",
		"PODHOOK_TLS_CLIENT_CA_FILE=/ca.crt", "PODHOOK_POD_API=true", "PODHOOK_POD_NAME=web-0",
		"PODHOOK_PUSHGATEWAY=https://gateway:9091/a", "PODHOOK_TEXTFILE_DIR=/node", "PODHOOK_PUSH_GROUP=namespace=shop,app=web-1.x",
		"PODHOOK_POD_UID=0c-ff-ee", "PODHOOK_EVENTS=all",
	}
	set := "PODHOOK_CONFIG_YAML= PODHOOK_TOKEN= PODHOOK_TLS= " + strings.Join(entries, " ")
	for _, row := range Table() {
		if !strings.Contains(set, row.Name+"=") {
			t.Errorf("%s is not among the settings of this test: add it", row.Name)
		}
	}
	got := mustLoad(t, entries...)
	want := &Settings{
		PodAPI: true, PodName: "web-0", PodUID: "0c-ff-ee", Events: AllEvents,
		Pushgateway: "https://gateway:9091/a", TextfileDir: "/node", PushGroup: Group{{Name: "namespace", Value: "shop"}, {Name: "app", Value: "web-1.x"}},
		Disabled: true, Config: "/etc/hooks/podhook.yaml", StateDir: "/state",
		Listen: "127.0.0.1:9000", MaxConnections: 7, KubeletFailure: Status,
		Main: "pidfile:/run/nginx.pid", GracePeriod: 90 * time.Second,
		StopSignals: Signals{syscall.SIGWINCH, syscall.SIGTERM}, StopSignal: Signal(syscall.SIGQUIT),
		LogFormat: JSON, OutputLimit: 1 << 20, TerminationLog: Off, MetricsRuntime: true,
		AllowWorldWritable: true, TokenFile: "/tokens", MetricsListen: "unix:/run/podhook.sock",
		AllowFrom:   Networks{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Gateway: true},
		TLSCertFile: "/tls.crt", TLSKeyFile: "/tls.key", TLSClientCAFile: "/ca.crt",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	if got := mustLoad(t, "PODHOOK_CONFIG_YAML="+text).ConfigYAML; got != text {
		t.Errorf("PODHOOK_CONFIG_YAML is read as %q, want %q", got, text)
	}
	if got := mustLoad(t, "PODHOOK_TOKEN=sixteen-bytes-it-is", "PODHOOK_TLS=self-signed"); got.Token != "sixteen-bytes-it-is" || got.TLS != SelfSigned {
		t.Errorf("got %+v", got)
	}
}

// A manifest unsets a variable of the image with an empty value.
func TestEmptyIsUnset(t *testing.T) {
	var empty []string
	for _, row := range Table() {
		empty = append(empty, row.Name+"=")
	}
	if got := mustLoad(t, empty...); !reflect.DeepEqual(got, defaults()) {
		t.Errorf("all settings empty give\n%+v, want\n%+v", got, defaults())
	}
}

// envconfig also reads a bare LISTEN if a field has that tag.
func TestNamesWithoutPrefixAreNotRead(t *testing.T) {
	var bare []string
	for _, row := range Table() {
		bare = append(bare, strings.TrimPrefix(row.Name, Prefix)+"=/nonsense")
	}
	if got := mustLoad(t, bare...); !reflect.DeepEqual(got, defaults()) {
		t.Errorf("bare names give\n%+v, want\n%+v", got, defaults())
	}
}

func TestBadValuesNameVariableValueAndWhatIsAllowed(t *testing.T) {
	for entry, allowed := range map[string]string{
		"PODHOOK_DISABLED=yes":                                     "allowed are true and false",
		"PODHOOK_METRICS_RUNTIME=on":                               "allowed are true and false",
		"PODHOOK_UNREADY_ON_SHUTDOWN=2":                            "allowed are true and false",
		"PODHOOK_CONFIG=podhook.yaml":                              "an absolute path is needed",
		"PODHOOK_STATE_DIR=./state":                                "an absolute path is needed",
		"PODHOOK_LISTEN=8080":                                      "an address such as :8080, 127.0.0.1:8080 or unix:/run/podhook.sock is needed",
		"PODHOOK_LISTEN=unix:podhook.sock":                         "an absolute path of at most 107 bytes",
		"PODHOOK_METRICS_LISTEN=unix:/" + strings.Repeat("x", 107): "an absolute path of at most 107 bytes",
		"PODHOOK_ALLOW_FROM=10.0.0.1/8":                            "did you mean the network 10.0.0.0/8",
		"PODHOOK_ALLOW_FROM=node":                                  "or gateway is needed",
		"PODHOOK_TLS=true":                                         "self-signed is needed",
		"PODHOOK_LISTEN=:http":                                     "the port must be a number from 0 to 65535",
		"PODHOOK_LISTEN=:65536":                                    "the port must be a number from 0 to 65535",
		"PODHOOK_LISTEN=:":                                         "the port must be a number from 0 to 65535",
		"PODHOOK_LISTEN=agent:8080":                                "the host must be an IP address, localhost or empty",
		"PODHOOK_MAX_CONNECTIONS=0":                                "a whole number from 1 to 1000000 is needed",
		"PODHOOK_MAX_CONNECTIONS=-1":                               "a whole number from 1 to 1000000 is needed",
		"PODHOOK_MAX_CONNECTIONS=1000001":                          "a whole number from 1 to 1000000 is needed",
		"PODHOOK_MAX_CONNECTIONS=1e3":                              "a whole number from 1 to 1000000 is needed",
		"PODHOOK_KUBELET_FAILURE=close":                            "allowed are abort and status",
		"PODHOOK_MAIN=nginx":                                       "allowed are pid:N, pidfile:PATH, exe:PATH and name:NAME",
		"PODHOOK_MAIN=pid:0":                                       "allowed are pid:N, pidfile:PATH, exe:PATH and name:NAME",
		"PODHOOK_GRACE_PERIOD=30":                                  "a duration needs a unit: write 30s",
		"PODHOOK_GRACE_PERIOD=0s":                                  "at least 1s is needed",
		"PODHOOK_GRACE_PERIOD=999ms":                               "at least 1s is needed",
		"PODHOOK_GRACE_PERIOD=-5s":                                 "at least 1s is needed",
		"PODHOOK_GRACE_PERIOD=9999999999999h":                      "a duration with a unit, such as 5s or 1m30s",
		"PODHOOK_GRACE_MARGIN=-1s":                                 "from 0s to less than PODHOOK_GRACE_PERIOD (30s) is allowed",
		"PODHOOK_GRACE_MARGIN=30s":                                 "from 0s to less than PODHOOK_GRACE_PERIOD (30s) is allowed",
		"PODHOOK_EVENTS=true":                                      "allowed are failures and all",
		"PODHOOK_LOG_FORMAT=yaml":                                  "allowed are text, logfmt and json",
		"PODHOOK_OUTPUT_LIMIT=1023":                                "a size from 1KiB to 64MiB is needed",
		"PODHOOK_OUTPUT_LIMIT=65MiB":                               "a size from 1KiB to 64MiB is needed",
		"PODHOOK_OUTPUT_LIMIT=4097MiB":                             "a size from 1KiB to 64MiB is needed", // 1 MiB in 32 bits
		"PODHOOK_OUTPUT_LIMIT=64kB":                                "a size from 1KiB to 64MiB is needed",
		"PODHOOK_STOP_SIGNALS=TERM,KILL":                           "KILL cannot be forwarded",
		"PODHOOK_STOP_SIGNAL=TERM,INT":                             "one signal is needed, such as QUIT",
		"PODHOOK_STOP_SIGNAL=TREM":                                 "signal",
		"PODHOOK_TERMINATION_LOG=message":                          "an absolute path or off is needed",
	} {
		t.Run(entry, func(t *testing.T) {
			got := problems(t, entry)
			name, value, _ := strings.Cut(entry, "=")
			if len(got) != 1 || !strings.HasPrefix(got[0], name+": ") || !strings.Contains(got[0], allowed) {
				t.Fatalf("problems are %q, want one of %s that says %q", got, name, allowed)
			}
			if !strings.Contains(got[0], strconv.Quote(value)) {
				t.Errorf("%q does not show the value %s", got[0], strconv.Quote(value))
			}
		})
	}
}

func TestBoundsThatAreAllowed(t *testing.T) {
	s := mustLoad(t, "PODHOOK_GRACE_PERIOD=1s", "PODHOOK_GRACE_MARGIN=999ms", "PODHOOK_MAX_CONNECTIONS=1",
		"PODHOOK_OUTPUT_LIMIT=1024", "PODHOOK_LISTEN=[::1]:0", "PODHOOK_TERMINATION_LOG=/dev/termination-log")
	if s.GracePeriod != time.Second || s.GraceMargin != 999*time.Millisecond || s.MaxConnections != 1 ||
		s.OutputLimit != 1024 || s.Listen != "[::1]:0" || s.TerminationLog != "/dev/termination-log" {
		t.Errorf("got %+v", s)
	}
	if s := mustLoad(t, "PODHOOK_MAX_CONNECTIONS=1000000", "PODHOOK_OUTPUT_LIMIT=64MiB", "PODHOOK_LISTEN=localhost:65535"); s.OutputLimit != 64<<20 {
		t.Errorf("got %+v", s)
	}
}

func TestAllProblemsAreReportedTogether(t *testing.T) {
	got := problems(t, "PODHOOK_DISABLED=maybe", "PODHOOK_LISTEN=x", "PODHOOK_MAX_CONNECTIONS=none",
		"PODHOOK_GRACE_PERIOD=soon", "PODHOOK_MAIN=x", "PODHOOK_LISTENN=:1", "PODHOOK_CONFIG=/a", "PODHOOK_CONFIG_YAML={}")
	for _, want := range []string{"PODHOOK_DISABLED: ", "PODHOOK_LISTEN: ", "PODHOOK_MAX_CONNECTIONS: ", "PODHOOK_GRACE_PERIOD: ",
		"PODHOOK_MAIN: ", "PODHOOK_LISTENN: ", "PODHOOK_CONFIG and PODHOOK_CONFIG_YAML are both set"} {
		if n := countPrefix(got, want); n != 1 {
			t.Errorf("%d problems begin with %q, want 1, in\n%s", n, want, strings.Join(got, "\n"))
		}
	}
	if len(got) != 7 {
		t.Errorf("%d problems, want 7:\n%s", len(got), strings.Join(got, "\n"))
	}
}

// What contradicts itself, and a token that is none, which is not shown.
func TestAccessSettingsThatContradict(t *testing.T) {
	for _, c := range []struct {
		entries []string
		want    string
	}{
		{[]string{"PODHOOK_TOKEN=hunter2"}, "PODHOOK_TOKEN: the token has 7 characters"},
		{[]string{"PODHOOK_TOKEN=hunter2 and a lot of words"}, "PODHOOK_TOKEN: a token has visible ASCII characters"},
		{[]string{"PODHOOK_TOKEN=sixteen-bytes-it-is", "PODHOOK_TOKEN_FILE=/t"}, "PODHOOK_TOKEN and PODHOOK_TOKEN_FILE are both set"},
		{[]string{"PODHOOK_TLS_CERT_FILE=/t"}, "are needed together"},
		{[]string{"PODHOOK_TLS_KEY_FILE=/t"}, "are needed together"},
		{[]string{"PODHOOK_TLS=self-signed", "PODHOOK_TLS_CERT_FILE=/t", "PODHOOK_TLS_KEY_FILE=/t"}, "PODHOOK_TLS and PODHOOK_TLS_CERT_FILE are both set"},
		{[]string{"PODHOOK_TLS_CLIENT_CA_FILE=/t"}, "PODHOOK_TLS_CLIENT_CA_FILE needs TLS"},
		{[]string{"PODHOOK_LISTEN=:80", "PODHOOK_METRICS_LISTEN=:80"}, "another address than that of PODHOOK_LISTEN"},
	} {
		got := problems(t, c.entries...)
		if len(got) != 1 || !strings.Contains(got[0], c.want) || strings.Contains(got[0], "hunter2") {
			t.Errorf("%q: %q, want %q", c.entries, got, c.want)
		}
	}
}

func countPrefix(lines []string, prefix string) (n int) {
	for _, line := range lines {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func TestTable(t *testing.T) {
	for _, row := range Table() {
		if row.Description == "" {
			t.Errorf("%s has no description", row.Name)
		}
		if strings.HasSuffix(row.Name, "_PORT") || strings.HasSuffix(row.Name, "_HOST") {
			t.Errorf("%s: a Service can set a variable of this name", row.Name)
		}
	}
}
