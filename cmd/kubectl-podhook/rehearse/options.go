package rehearse

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/local"
)

// options holds the flags and the command.
type options struct {
	manifest, container string
	command             []string
	containerFlags      containerFlags
	grace               int64
	restartPolicy       string
	hostNetwork         bool
	shareProcesses      bool
	sidecars, seconds   list

	scenario     kubelet.Scenario
	scenarioName string
	limit        time.Duration
	isolation    local.Isolation
	podIP        string
	tmpfs        list
	runtime      string
	docker       docker.Options
	// dockerArgs are for docker create.
	dockerArgs list
	logs       string
	output     string
	expect     expectations

	given map[string]bool // the flags that were given
}

// containerFlags are the flags of the rehearsed container.
type containerFlags struct {
	postStartExec, postStartHTTP            string
	preStopExec, preStopHTTP                string
	preStopSleep                            time.Duration
	headers, env                            list
	readinessHTTP, readinessExec            string
	livenessHTTP, livenessExec              string
	period, timeout                         time.Duration
	workingDir, stopSignal, terminationPath string
	restartRules                            list
}

// list is a flag that can be repeated.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// parseOptions parses the command line. The flags of a scenario come before those that are
// given.
func parseOptions(args []string, usage io.Writer) (*options, error) {
	o, err := parseFlags(args, usage)
	if err != nil || o.scenarioName == "" || o.scenarioName == allScenarios {
		return o, err
	}
	s, err := findScenario(o.scenarioName)
	if err != nil {
		return nil, err
	}
	return parseFlags(append(s.args(), args...), usage)
}

func parseFlags(args []string, usage io.Writer) (*options, error) {
	o := &options{given: map[string]bool{}}
	o.scenario.Delays = kubelet.Observed()
	flags := flag.NewFlagSet("rehearse", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.Usage = func() {
		fmt.Fprint(usage, "usage: kubectl podhook rehearse [flags] -- CMD ARG...\n       kubectl podhook rehearse [flags] -f pod.yaml\n\n"+
			"HTTP is PORT/PATH or http(s)://[HOST]:PORT/PATH; ARGV is words or a JSON list.\n\n")
		flags.PrintDefaults()
	}
	o.podFlags(flags)
	o.hookFlags(flags)
	o.scenarioFlags(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	flags.Visit(func(f *flag.Flag) { o.given[f.Name] = true })
	o.command = flags.Args()
	return o, o.check()
}

func (o *options) podFlags(flags *flag.FlagSet) {
	c := &o.containerFlags
	flags.StringVar(&o.manifest, "f", "", "take the pod from this manifest (Pod, Deployment, ...); flags override it")
	flags.StringVar(&o.container, "container", "", "rehearse this container of the manifest alone; CMD and the hook flags are for it")
	flags.Int64Var(&o.grace, "grace", 30, "terminationGracePeriodSeconds")
	flags.StringVar(&o.restartPolicy, "restart-policy", "Always", "Always, OnFailure or Never")
	flags.BoolVar(&o.hostNetwork, "host-network", false, "play a pod with hostNetwork")
	flags.BoolVar(&o.shareProcesses, "share-process-namespace", false, "let the containers see each other's processes")
	flags.Var(&o.sidecars, "sidecar", "`ARGV` of a native sidecar (repeatable)")
	flags.Var(&o.seconds, "second", "`ARGV` of a further ordinary container (repeatable)")
	flags.Var(&c.env, "env", "`KEY=VALUE` for the container (repeatable)")
	flags.StringVar(&c.workingDir, "working-dir", "", "the container's working directory")
	flags.StringVar(&c.stopSignal, "stop-signal", "", "the image's STOPSIGNAL, such as SIGQUIT")
	flags.Var(&c.restartRules, "restart-rule", "`ACTION=CODES` of restartPolicyRules, such as Restart=42,43 or RestartAllContainers=88 (repeatable)")
	flags.StringVar(&c.terminationPath, "termination-log", kubelet.DefaultTerminationMessagePath, "terminationMessagePath")
	flags.StringVar((*string)(&o.isolation), "isolation", "auto", "auto, namespaces or none")
	flags.StringVar(&o.podIP, "pod-ip", "127.0.0.2", "the pod's address")
	flags.StringVar(&o.scenario.NodeIP, "node-ip", "127.0.0.3", "the node's address: hooks and probes come from it")
	flags.Var(&o.tmpfs, "tmpfs", "`DIR` that is empty at each start of a container (repeatable)")
	o.runtimeFlags(flags)
}

func (o *options) runtimeFlags(flags *flag.FlagSet) {
	flags.StringVar(&o.runtime, "runtime", "local", "what runs the containers: local or docker")
	flags.StringVar(&o.docker.Image, "image", "", "docker: the `IMAGE` of the container, and of others whose manifest names none")
	flags.StringVar(&o.docker.PauseImage, "pause-image", "podhook", "docker: an `IMAGE` with /podhook, for the pod's pause container")
	flags.StringVar(&o.docker.Network, "network", "", "docker: the `NETWORK` that the pod is in (default: the engine's)")
	flags.Var(&o.dockerArgs, "docker-arg", "docker: `ARG` of docker create for every container, such as --volume=/tmp/a:/a (repeatable)")
}

func (o *options) hookFlags(flags *flag.FlagSet) {
	c := &o.containerFlags
	flags.StringVar(&c.postStartExec, "post-start-exec", "", "`ARGV` of postStart exec")
	flags.StringVar(&c.postStartHTTP, "post-start-http", "", "`HTTP` request of postStart httpGet")
	flags.StringVar(&c.preStopExec, "pre-stop-exec", "", "`ARGV` of preStop exec")
	flags.StringVar(&c.preStopHTTP, "pre-stop-http", "", "`HTTP` request of preStop httpGet")
	flags.DurationVar(&c.preStopSleep, "pre-stop-sleep", 0, "preStop sleep, in whole seconds")
	flags.Var(&c.headers, "header", "`NAME: VALUE` of httpHeaders, for all hooks and probes (repeatable)")
	flags.StringVar(&c.readinessHTTP, "readiness-http", "", "`HTTP` request of the readiness probe")
	flags.StringVar(&c.readinessExec, "readiness-exec", "", "`ARGV` of the readiness probe")
	flags.StringVar(&c.livenessHTTP, "liveness-http", "", "`HTTP` request of the liveness probe")
	flags.StringVar(&c.livenessExec, "liveness-exec", "", "`ARGV` of the liveness probe")
	flags.DurationVar(&c.period, "probe-period", time.Second, "periodSeconds of the probes given by flags")
	flags.DurationVar(&c.timeout, "probe-timeout", time.Second, "timeoutSeconds of the probes given by flags")
}

func (o *options) scenarioFlags(flags *flag.FlagSet) {
	s := &o.scenario
	flags.StringVar(&o.scenarioName, "scenario", "", "play this `NAME`: "+scenarioNames()+", or all, one after another")
	flags.DurationVar(&s.StopAfter, "stop-after", time.Second, "the end comes this long after the pod is ready")
	flags.DurationVar(&s.DeleteAt, "delete-at", time.Minute, "the end comes this long after the start, ready or not")
	flags.StringVar((*string)(&s.End), "end", string(kubelet.EndDelete), "how the pod ends: "+strings.Join(endings(), ", "))
	flags.BoolVar(&s.Force, "force-delete", false, "delete with --force --grace-period=0")
	flags.DurationVar(&s.KubeletRestart, "kubelet-restart-during-prestop", 0, "restart kubelet this long after the DELETE")
	flags.DurationVar(&s.KubeletRestartInPostStart, "kubelet-restart-during-poststart", 0, "restart kubelet this long after the begin of the first postStart")
	flags.BoolVar(&s.DownAtEnd, "kubelet-restart-before-end", false, "restart kubelet just before the end of the pod")
	flags.DurationVar(&s.KubeletDown, "kubelet-down", 1500*time.Millisecond, "how long a restart of kubelet takes")
	flags.IntVar(&s.Restarts, "restarts", kubelet.Unlimited, "end the rehearsal after so many restarts of a container (-1: go on until the DELETE)")
	flags.DurationVar(&s.RestartAfter, "restart-after", 0, "fail this long after each start, as often as --restarts allows (once with -1)")
	flags.StringVar((*string)(&s.Failure), "fail", string(kubelet.FailLiveness), "how --restart-after fails: "+strings.Join(failures(), ", "))
	flags.StringVar(&s.RestartContainer, "restart-container", "", "the container that --restart-after is for (default: the first)")
	flags.DurationVar(&s.BackOff, "back-off", 10*time.Second, "back-off before the second restart; it doubles")
	flags.Uint64Var(&s.Seed, "seed", 0, "for kubelet's random delays (default: random)")
	flags.DurationVar(&o.limit, "limit", 10*time.Minute, "give up and kill everything after this time, in each scenario")
	flags.StringVar(&o.logs, "logs", "", "write what the containers print to this file, not into the timeline")
	flags.StringVar(&o.output, "o", "table", "table or json")
	flags.Var(&o.expect, "expect", "`[SCENARIO:]CONDITION` without which the exit code is 1: "+allowedExpectations+" (repeatable)")
}

// check checks what the package flag cannot.
func (o *options) check() error {
	if !o.given["seed"] {
		o.scenario.Seed = rand.Uint64()
	}
	var errs []error
	oneOf := func(name, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		errs = append(errs, fmt.Errorf("--%s %s: %s are allowed", name, value, strings.Join(allowed, ", ")))
	}
	oneOf("isolation", string(o.isolation), "auto", "namespaces", "none")
	oneOf("restart-policy", o.restartPolicy, "Always", "OnFailure", "Never")
	oneOf("o", o.output, "table", "json")
	oneOf("end", string(o.scenario.End), endings()...)
	oneOf("fail", string(o.scenario.Failure), failures()...)
	oneOf("runtime", o.runtime, "local", "docker")
	errs = append(errs, o.checkRuntime())
	for name, ip := range map[string]string{"pod-ip": o.podIP, "node-ip": o.scenario.NodeIP} {
		if net.ParseIP(ip) == nil && (name != "node-ip" || ip != "") {
			errs = append(errs, fmt.Errorf("--%s %s: an IP address is needed", name, ip))
		}
	}
	for name, d := range map[string]time.Duration{
		"stop-after": o.scenario.StopAfter, "delete-at": o.scenario.DeleteAt, "restart-after": o.scenario.RestartAfter,
		"kubelet-restart-during-prestop":   o.scenario.KubeletRestart,
		"kubelet-restart-during-poststart": o.scenario.KubeletRestartInPostStart,
		"kubelet-down":                     o.scenario.KubeletDown, "back-off": o.scenario.BackOff,
		"pre-stop-sleep": o.containerFlags.preStopSleep,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("--%s %s: 0 or more is needed", name, d))
		}
	}
	if o.limit <= 0 || o.containerFlags.period <= 0 || o.containerFlags.timeout <= 0 {
		errs = append(errs, errors.New("--limit, --probe-period, --probe-timeout: more than 0 is needed"))
	}
	if o.grace < 0 || o.scenario.Restarts < kubelet.Unlimited {
		errs = append(errs, errors.New("--grace: 0 or more is needed; --restarts: -1 or more"))
	}
	return errors.Join(errs...)
}

func endings() []string {
	return []string{string(kubelet.EndDelete), string(kubelet.EndDrain), string(kubelet.EndEviction)}
}

func failures() []string {
	return []string{
		string(kubelet.FailLiveness), string(kubelet.FailOOM), string(kubelet.FailKill),
		string(kubelet.FailRestartRule), string(kubelet.FailRestartAllRule),
	}
}

// checkRuntime refuses the flags of the other runtime.
func (o *options) checkRuntime() error {
	foreign := []string{"isolation", "pod-ip", "node-ip", "tmpfs"}
	if o.runtime != "docker" {
		foreign = []string{"image", "pause-image", "network", "docker-arg"}
	} else {
		o.scenario.NodeIP = "" // the bridge's address comes by itself
		o.docker.Args = map[string][]string{"": o.dockerArgs}
	}
	for _, name := range foreign {
		if o.given[name] {
			return fmt.Errorf("--%s: not with --runtime %s", name, o.runtime)
		}
	}
	return nil
}
