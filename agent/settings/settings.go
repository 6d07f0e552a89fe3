// Package settings reads the settings of podhook itself from PODHOOK_* variables.
package settings

import (
	"time"
)

// Prefix begins the name of every setting.
const Prefix = "PODHOOK_"

// Settings is the struct that envconfig fills. The field StateDir is the variable
// PODHOOK_STATE_DIR. The tag envconfig is not used, because envconfig would then also
// read the name without the prefix. No setting can be called PORT or HOST, because
// Kubernetes injects those for a Service with the name podhook.
type Settings struct {
	Disabled bool `default:"false" desc:"true turns podhook off in place: hooks answer success without running and say that they were bypassed"`

	Config     Path   `desc:"the file with the hooks; it must exist if it is set (unset: /etc/podhook/podhook.yaml where it exists, else the directories /etc/podhook/NAME.d)"`
	ConfigYAML string `split_words:"true" desc:"the hooks as YAML text, instead of a file"`
	StateDir   Path   `split_words:"true" desc:"directory for locks, markers, records and output (unset: a directory of this container in /run/podhook where that is there, in /run, or in /dev/shm)"`

	Listen    Address `desc:"address of the HTTP agent, such as :8080 (unset: serve listens on :8080, run does not listen)"`
	TokenFile Path    `split_words:"true" desc:"file with the tokens, one per line, of those who may read the output of hooks over HTTP; read at each request (unset: nobody may)"`

	MaxConnections    Count       `split_words:"true" default:"2000" desc:"open HTTP connections at once; more wait in the kernel's queue"`
	KubeletFailure    FailureMode `split_words:"true" default:"abort" desc:"how kubelet learns that a hook failed: abort closes the connection without an answer, status answers 500, which kubelet takes for success"`
	UnreadyOnShutdown bool        `split_words:"true" default:"true" desc:"/readyz answers 503 from the moment shutdown begins"`

	Main        string        `desc:"the main process: pid:N, pidfile:PATH, exe:PATH or name:NAME"`
	GracePeriod time.Duration `split_words:"true" default:"30s" desc:"the pod's terminationGracePeriodSeconds, as a duration"`
	GraceMargin time.Duration `split_words:"true" default:"2s" desc:"what shutdown leaves of the grace period for the main process to stop in"`
	StopSignals Signals       `split_words:"true" default:"TERM,INT" desc:"signals that ask podhook run to stop the container; add the image's STOPSIGNAL"`
	StopSignal  Signal        `split_words:"true" desc:"what podhook run gives to the main process for them, such as QUIT for nginx (unset: the one received)"`

	AllowWorldWritable bool `split_words:"true" default:"false" desc:"podhook check lets root run scripts and programs that every user can change"`

	LogFormat      LogFormat `split_words:"true" default:"text" desc:"form of the container's log: text for people, logfmt or json"`
	OutputLimit    Bytes     `split_words:"true" default:"64KiB" desc:"how much of the last run's output of each hook is kept: head and tail, the middle is counted"`
	TerminationLog string    `split_words:"true" desc:"file for the reason of a failure, off for none (unset: /dev/termination-log where it exists)"`
	MetricsRuntime bool      `split_words:"true" default:"false" desc:"adds the metrics of the Go runtime and of podhook's own process"`
}
