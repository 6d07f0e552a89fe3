package lint

// rule is one thing that lint looks for.
type rule struct {
	// id is part of the public interface: people disable rules by it.
	id       string
	severity Severity
	// finds says for people what the rule is about.
	finds string
	look  func(*pod) []finding
}

// The rules whose findings are made while settings and hooks are read.
const (
	ruleSettings = "settings"
	ruleConfig   = "hooks"
	ruleHint     = "hooks-hint"
	ruleUnseen   = "hooks-unseen"
)

// allRules returns the rules in the order of README.md.
func allRules() []rule {
	return []rule{
		{ruleSettings, Error, "an unknown `PODHOOK_` variable, or a value that podhook refuses", known(ruleSettings)},
		{ruleConfig, Error, "hooks that podhook refuses or that can never succeed, in the ConfigMap or in `PODHOOK_CONFIG_YAML`; a file that the ConfigMap does not have", known(ruleConfig)},
		{ruleHint, Warning, "hooks that are valid and probably a mistake", known(ruleHint)},
		{ruleUnseen, Warning, "hooks that are not in the input, so that lint cannot check them", known(ruleUnseen)},
		{"disabled", Warning, "podhook that is turned off", disabled},

		{"grace-period", Error, "a `PODHOOK_GRACE_PERIOD` (30s by default) that is longer than what kubelet gives: `terminationGracePeriodSeconds` of the pod or the probe, without what a preStop only sleeps", gracePeriod},
		{"grace-period-short", Warning, "a `PODHOOK_GRACE_PERIOD` that is shorter than that", gracePeriodShort},
		{"grace-budget", Error, "a `shutdown` whose worst case (timeouts, retries, pauses) is longer than the grace period, or a preStop that sleeps until its end", graceBudget},
		{"hook-budget", Warning, "a worst case that is longer than the timeout of its hook", hookBudget},
		{"readiness-late", Warning, "a readiness probe whose `failureThreshold` x `periodSeconds` is longer than `shutdown` drains", readinessLate},

		{"hook-port", Error, "an `httpGet` to a port that has no such name or where nobody listens", hookPort},
		{"port-taken", Error, "an agent at the port of another container of the pod", portTaken},
		{"hook-path", Error, "an `httpGet` to a path that podhook does not answer, or that runs no hook", hookPath},
		{"hook-name", Error, "an exec'd `podhook hook NAME` that the configuration does not have", hookName},
		{"hook-wait", Error, "a preStop with `?wait=false`: the stop signal comes while `shutdown` runs", hookWait},
		{"hook-scheme", Error, "`scheme: HTTPS` to podhook without TLS, or HTTP to podhook with TLS", hookScheme},
		{"hook-token", Error, "an `httpGet` without the token that podhook wants: the refusal counts as success", hookToken},
		{"hook-uncalled", Warning, "a hook with steps that nothing calls", hookUncalled},
		{"https-authorization", Warning, "an `Authorization` header with `scheme: HTTPS`, which kubelet drops when it falls back to HTTP", httpsAuthorization},
		{"host-network", Error, "an `httpGet` hook without `host` in a pod with `hostNetwork`", hostNetwork},
		{"loopback-host", Error, "a `host` that is the node's loopback", loopbackHost},
		{"loopback-listen", Error, "an agent on loopback that kubelet calls", loopbackListen},
		{"post-start-http", Error, "a postStart `httpGet` to the same container, or to one that starts later: kubelet can send it before anybody listens", postStartHTTP},
		{"liveness-ready", Error, "a liveness probe that asks for readiness", livenessReady},

		{"main-missing", Error, "a step that needs the main process where none is configured", mainMissing},
		{"main-unseen", Error, "a sidecar with `PODHOOK_MAIN` in a pod without `shareProcessNamespace`", mainUnseen},
		{"main-user", Error, "a sidecar that signals the process of another user", mainUser},
		{"stop-signal", Error, "a stop signal, of `lifecycle.stopSignal` or of a well-known image, that is not in `PODHOOK_STOP_SIGNALS`", stopSignal},
		{"stop-signal-ignored", Error, "a `lifecycle.stopSignal` that the API server refuses or drops, or kubelet does not send", stopSignalIgnored},

		{"podhook-missing", Error, "a command in an `emptyDir` into which nothing installs podhook", podhookMissing},
		{"image-volume", Error, "an image volume below Kubernetes 1.35, where its gate is off by default (`--kubernetes`, `--gate`)", imageVolume},
		{"serve-init", Error, "`podhook serve` in an init container without `restartPolicy: Always`", serveInit},
		{"state-dir", Error, "a `PODHOOK_STATE_DIR`, a marker or a file to write that is on a read-only root or volume", stateDir},
		{"state-shared", Error, "two containers with the same directory for the state", stateShared},
		{"open-hooks", Warning, "hooks that everybody on the pod network can run: no token, no networks, and no NetworkPolicy in the input", openHooks},
		{"restricted", Warning, "what Pod Security \"restricted\" forbids in a pod with podhook", restricted},
	}
}
