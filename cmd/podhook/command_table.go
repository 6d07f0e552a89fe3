package main

import "github.com/podhook/podhook/hooks/config"

// The headings of podhook help.
const (
	forContainer = "In the container"
	forHooks     = "Hooks, by exec or by hand"
	forAuthors   = "Before it runs"
	forShellless = "For images without a shell"
	forPeople    = "Other"
)

// The exit codes that many commands share.
const (
	codeOK    = "0    succeeded"
	codeUsage = "2    bad usage, bad configuration, or no directory for the state"
	codeStop  = "129, 130, 131, 143  interrupted by SIGHUP, SIGINT, SIGQUIT, SIGTERM"
)

// hookCodes are the exit codes of commands that run a hook.
func hookCodes() []string {
	return []string{
		"0    succeeded, or had succeeded already", "1    a step failed", codeUsage, "124  timed out", codeStop,
	}
}

// commands is the table of commands, in the order of podhook help.
func commands() []command {
	return []command{
		{
			name: "run", purpose: forContainer, args: "[flags] -- CMD ARG...", many: true, cmdline: true,
			summary: "start CMD as the init of a container",
			about: "run is the entrypoint of an image and PID 1. It runs the hook prestart, starts CMD, " +
				"forwards signals, reaps orphans, runs the hook shutdown when the container is stopped, and exits with " +
				"CMD's exit code. With PODHOOK_LISTEN or --listen it answers over HTTP too. Called as tini, " +
				"docker-init or dumb-init, podhook does the same under the command line of that init.",
			examples: [][2]string{
				{`podhook run -- nginx -g "daemon off;"`, "start nginx behind its hooks"},
				{"podhook run --rewrite TERM=QUIT -- nginx", "give nginx QUIT where the container gets TERM"},
			},
			exits: []string{
				"N    CMD's exit code, or 128+n if signal n ended it", "1    prestart failed: CMD was not started",
				codeUsage, "124  prestart timed out", "126  CMD cannot be executed", "127  CMD is not found",
			},
			define: defineRun,
		},
		{
			name: "serve", purpose: forContainer, summary: "run the HTTP agent",
			about: "serve answers kubelet's httpGet hooks and probes, as the second process of a container or as a " +
				"sidecar. It listens on :8080 unless PODHOOK_LISTEN or --listen says otherwise.",
			examples: [][2]string{
				{"podhook serve", "listen on :8080"},
				{"podhook serve --listen 127.0.0.1:9000", "let only this pod in"},
			},
			exits:  []string{"0    told to stop", codeUsage},
			define: defineServe,
		},
		{
			name: config.Prestart, purpose: forHooks, args: "[--force]", brief: true,
			summary: "run the hook prestart, once in this instance",
			about:   "This is the postStart of a Pod by exec. A call while the hook runs joins that run.",
			examples: [][2]string{
				{"podhook prestart", "run it, or say that it has succeeded"},
				{"podhook prestart --force", "run it again"},
			},
			exits: hookCodes(), define: builtinHook(config.Prestart),
		},
		{
			name: config.Shutdown, purpose: forHooks, args: "[--force]", brief: true,
			summary: "run the hook shutdown, once in this instance",
			about:   "This is the preStop of a Pod by exec. A call while the hook runs joins that run.",
			examples: [][2]string{
				{"podhook shutdown", "drain, or say that it is done"},
				{"podhook shutdown --force", "run it again"},
			},
			exits: hookCodes(), define: builtinHook(config.Shutdown),
		},
		{
			name: "hook", purpose: forHooks, args: "NAME [--force]", wants: "the name of one hook is needed", brief: true,
			summary: "run any hook, once in this instance",
			about: "On a terminal the output of the steps is shown as it comes. Elsewhere at most 2 KiB are printed, " +
				"because kubelet keeps the output of an exec in the pod's status.",
			examples: [][2]string{
				{"podhook hook reload", "run the hook reload of the configuration"},
				{"podhook hook reload --force", "run it again"},
			},
			exits: hookCodes(), define: namedHook,
		},
		{
			name: "ready", purpose: forHooks, brief: true, summary: "say whether the container should get traffic, and why not",
			about: "This is /readyz for an exec probe or a health check. prestart must have succeeded, shutdown must not have " +
				"begun, and the conditions of ready: in the configuration must hold. It looks once, for at most about a second, " +
				"and prints one line.",
			examples: [][2]string{
				{"podhook ready", "look once"},
				{"kubectl exec POD -- podhook ready", "the same from outside"},
			},
			exits: []string{"0    ready", "1    not ready, or it cannot be known", "2    bad usage"}, define: defineReady,
		},
		{
			name: "status", purpose: forHooks, args: "[-o table|json]",
			summary: "show all hooks, their last runs and the main process",
			examples: [][2]string{
				{"podhook status", "a table of hooks, and one of the steps of each run"},
				{"kubectl exec POD -- podhook status -o json", "the same from outside, for programs"},
			},
			exits: []string{codeOK, codeUsage}, define: defineStatus,
		},
		{
			name: "logs", purpose: forHooks, args: "HOOK [-f] [--tail N]", wants: "the name of one hook is needed",
			summary: "print the output of a hook's last run",
			examples: [][2]string{
				{"podhook logs shutdown", "every line that was kept, with time, step and stream"},
				{"podhook logs shutdown -f --tail 20", "the last 20 lines, and what comes"},
			},
			exits: []string{codeOK, codeUsage, codeStop}, define: defineLogs,
		},
		{
			name: "plan", purpose: forAuthors, args: "HOOK [flags]", wants: "the name of one hook is needed",
			summary: "show what a call of a hook would run now, and why not",
			examples: [][2]string{
				{"podhook plan shutdown", "steps, timeouts and the sum of the worst case"},
				{"podhook plan prestart --trigger http -o json", "as a call by HTTP would find it"},
			},
			exits: []string{codeOK, codeUsage}, define: definePlan,
		},
		{
			name: "check", purpose: forAuthors, args: "[FILE | -] [flags]", many: true,
			summary: "check the settings and hooks without running anything",
			about: "check finds mistakes with file and line, programs and directories that are missing, and timeouts " +
				"that do not fit. It leaves nothing behind. Let the build of an image run it. FILE stands for --config, - for " +
				"the standard input.",
			examples: [][2]string{
				{"podhook check --run --grace 30s", "what this container would use, with the pod's grace period"},
				{"podhook check --syntax podhook.yaml -o github", "a file in a CI job, with annotations"},
			},
			exits: []string{"0    nothing that is an error", "2    an error"}, define: defineCheck,
		},
		{
			name: "install", purpose: forAuthors, args: "DIR [--check]", wants: "one directory is needed, such as /podhook-bin",
			summary: "copy this binary into a directory, such as an emptyDir",
			examples: [][2]string{
				{"podhook install /podhook-bin", "in an init container"},
				{"podhook install /podhook-bin --check", "only compare"},
			},
			exits: []string{codeOK, "1    not installed, or another binary is there", "2    bad usage"}, define: defineInstall,
		},
		{
			name: "wait", purpose: forShellless, args: "HOOK | --file PATH | --gone PATH | --tcp ADDR | --http URL | --exec -- PROGRAM | --metric URL | --connections PORT | --quiet PORT | --exit main", many: true, brief: true,
			summary: "wait for a hook, a file, a port, an answer, a metric or the end of the main process",
			examples: [][2]string{
				{"podhook wait prestart --timeout 0s", "look once, as an exec probe does"},
				{"podhook wait --tcp 127.0.0.1:8080", "until something listens"},
			},
			exits:  []string{"0    it has come", "1    it can never come", codeUsage, "124  not within --timeout", codeStop},
			define: defineWait,
		},
		{
			name: "http", purpose: forShellless, args: "URL [flags]", wants: "one URL is needed",
			summary: "send a request, for images without curl",
			about:   "At most 1 MiB of the answer is printed.",
			examples: [][2]string{
				{"podhook http http://127.0.0.1:8080/healthz", "print the answer"},
				{"podhook http -X POST -d drain --status 202 http://127.0.0.1:9901/drain", "expect 202"},
			},
			exits:  []string{codeOK, "1    no answer, or another status", "2    bad usage", "124  no whole answer within --timeout", codeStop},
			define: defineHTTP,
		},
		{
			name: "signal", purpose: forShellless, args: "SIGNAL [--to TARGET]", wants: "one signal is needed, such as TERM", brief: true,
			summary: "send a signal to the main process, or to another one",
			examples: [][2]string{
				{"podhook signal HUP", "to the main process"},
				{"podhook signal QUIT --to pidfile:/run/nginx.pid", "to another one"},
			},
			exits:  []string{"0    sent, or the process has exited", "1    not sent", codeUsage},
			define: defineSignal,
		},
		{
			name: "sleep", purpose: forShellless, args: "DURATION", wants: "one duration is needed, such as 5s", brief: true,
			summary: "wait, for images without sleep",
			examples: [][2]string{
				{"podhook sleep 5s", "five seconds"},
				{"podhook sleep 1m30s", "a bare number counts seconds"},
			},
			exits: []string{codeOK, "2    bad usage", codeStop}, define: defineSleep,
		},
		{
			name: "completion", purpose: forPeople, args: "bash|zsh|fish", wants: "bash, zsh or fish is needed",
			summary: "print a script that completes commands, flags and hooks",
			examples: [][2]string{
				{"source <(podhook completion bash)", "in this shell"},
				{"podhook completion fish > ~/.config/fish/completions/podhook.fish", "in every shell"},
			},
			exits: []string{codeOK, "2    bad usage"}, define: defineCompletion,
		},
		{
			name: "version", purpose: forPeople, args: "[-o text|json]",
			summary: "print the version",
			examples: [][2]string{
				{"podhook version", "one line"}, {"podhook version -o json", "for programs"},
			},
			exits: []string{codeOK}, define: defineVersion,
		},
		{
			name: "help", purpose: forPeople, args: "[COMMAND | settings]", many: true,
			summary: "explain a command, or the settings",
			examples: [][2]string{
				{"podhook help run", "the same as podhook run --help"},
				{"podhook help settings", "the variables PODHOOK_*"},
			},
			exits: []string{codeOK, "2    no such command"}, define: defineHelp,
		},
		{name: workerCommand, many: true, cmdline: true, define: defineWorker},
		{name: completeCommand, many: true, cmdline: true, define: defineComplete},
		{name: manCommand, many: true, define: defineMan},
	}
}
