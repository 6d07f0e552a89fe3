// Package settings reads the settings of podhook itself from PODHOOK_* variables.
package settings

import (
	"time"
)

// Prefix begins the name of every setting.
const Prefix = "PODHOOK_"

// Settings is the struct that envconfig fills. The field StateDir is the variable
// PODHOOK_STATE_DIR (Name). The tag envconfig is not used, because envconfig would then
// also read the name without the prefix. No setting can be called PORT or HOST, because
// Kubernetes injects those for a Service with the name podhook.
type Settings struct {
	Disabled bool `default:"false" desc:"true turns podhook off in place: hooks answer success without running and say that they were bypassed"`

	Config     Path   `desc:"the file with the hooks; it must exist if it is set (unset: /etc/podhook/podhook.yaml where it exists, else the directories /etc/podhook/NAME.d)"`
	ConfigYAML string `desc:"the hooks as YAML text, instead of a file"`
	StateDir   Path   `desc:"directory for locks, markers, records and output (unset: a directory of this container in /run/podhook where that is there, in /run, or in /dev/shm)"`

	Listen        Address `desc:"address of the HTTP agent, such as :8080 or unix:/run/podhook.sock (unset: serve listens on :8080, run does not listen)"`
	MetricsListen Address `desc:"a second address, such as :8081, for probes, metrics and status alone, so that a NetworkPolicy can close the first one"`

	TokenFile Path     `desc:"file with the tokens, one per line, of those who may run hooks, force them, and read their output over HTTP; read again when it changes"`
	Token     Secret   `desc:"one such token, where there is no file; the main process and everybody who reads the pod's manifest have it too"`
	AllowFrom Networks `desc:"networks that hooks may be called from, such as 10.0.0.0/8,fd00::/8, or gateway for the next hop of the default route (unset: everywhere)"`

	TLS             TLSMode `desc:"self-signed: the agent speaks TLS with a certificate that it makes at its start; kubelet verifies none"`
	TLSCertFile     Path    `desc:"file with the certificate of the agent in PEM, which then speaks TLS; read again when it changes"`
	TLSKeyFile      Path    `desc:"file with the key of that certificate"`
	TLSClientCAFile Path    `desc:"file with the authorities of client certificates; such a certificate stands for a token"`

	MaxConnections    Count       `default:"96" desc:"open HTTP connections at once of each address; one more takes the place of an older one"`
	KubeletFailure    FailureMode `default:"abort" desc:"how kubelet learns that a hook failed: abort closes the connection without an answer, status answers 500, which kubelet takes for success"`
	UnreadyOnShutdown bool        `default:"true" desc:"/readyz answers 503 from the moment shutdown begins"`

	Main        string        `desc:"the main process: pid:N, pidfile:PATH, exe:PATH or name:NAME"`
	GracePeriod time.Duration `default:"30s" desc:"the pod's terminationGracePeriodSeconds, as a duration"`
	GraceMargin time.Duration `default:"2s" desc:"what shutdown leaves of the grace period for the main process to stop in"`
	StopSignals Signals       `default:"TERM,INT" desc:"signals that ask podhook run to stop the container; add the image's STOPSIGNAL"`
	StopSignal  Signal        `desc:"what podhook run gives to the main process for them, such as QUIT for nginx (unset: the one received)"`

	PodAPI  bool   `default:"false" desc:"shutdown asks the API server why the container is stopped, with a ServiceAccount that may get its own Pod"`
	PodName string `desc:"the name of the Pod for that and for Events, metadata.name of the downward API (unset: HOSTNAME, which is another name with hostNetwork or spec.hostname)"`
	PodUID  string `desc:"the uid of the Pod for Events, metadata.uid of the downward API; kubectl describe shows no Event without it"`
	Events  Events `desc:"runs that podhook tells of by an Event of the Pod: failures, or all (unset: none)"`

	AllowWorldWritable bool `default:"false" desc:"podhook check lets root run scripts and programs that every user can change"`

	Pushgateway URL   `desc:"URL of a Pushgateway that gets the metrics after shutdown, and at the end of podhook run, podhook serve and an exec'd poststop"`
	TextfileDir Path  `desc:"directory, such as one of the node, that gets the metrics at these moments as a file for node_exporter's textfile collector"`
	PushGroup   Group `desc:"labels for these metrics, such as namespace=shop,app=web; the figures of one pod replace those of another one with the same labels"`

	LogFormat      LogFormat `default:"text" desc:"form of the container's log: text for people, logfmt or json"`
	OutputLimit    Bytes     `default:"64KiB" desc:"how much of the last run's output of each hook is kept: head and tail, the middle is counted"`
	TerminationLog string    `desc:"file for the reason of a failure, off for none (unset: /dev/termination-log where it exists)"`
	MetricsRuntime bool      `default:"false" desc:"adds the metrics of the Go runtime and of podhook's own process"`
}
