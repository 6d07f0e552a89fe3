package main

import (
	"flag"
	"regexp"
	"strings"
	"time"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/wait"
)

// hookInterval is the longest pause between two looks at the record of a hook.
const hookInterval = 500 * time.Millisecond

// waitFlags are the flags of podhook wait. They have the names of the YAML fields.
type waitFlags struct {
	fs       *flag.FlagSet
	timeout  *time.Duration
	interval *time.Duration
	holds    *time.Duration

	file, gone, tcp, http, metricURL, exit, ports, quiet string

	endpoint endpointFlags
	status   *[]config.StatusRange
	body     *regexp.Regexp
	metric   config.Metric

	exec   bool
	giveUp []string

	connections config.Connections
	quietFor    *time.Duration
	// metricGiven says that a flag was given that needs --metric.
	metricGiven bool
}

func newWaitFlags(fs *flag.FlagSet) *waitFlags {
	f := &waitFlags{fs: fs}
	f.timeout = durationFlag(fs, "timeout", defaultWait, "wait no longer than `DURATION`; 0s looks once")
	f.interval = durationFlag(fs, "interval", 0, "look again after at most `DURATION`")
	f.holds = durationFlag(fs, "holds", 0, "until it holds for `DURATION` without a break")
	fs.StringVar(&f.file, "file", "", "until the file `PATH` exists")
	fs.StringVar(&f.gone, "gone", "", "until the file `PATH` does not exist")
	fs.StringVar(&f.tcp, "tcp", "", "until `ADDRESS`, such as 127.0.0.1:8080, takes a connection")
	fs.StringVar(&f.http, "http", "", "until `URL` answers with the --status")
	fs.Func("body", "of --http, `REGEXP` matches the body", func(text string) (err error) {
		f.body, err = regexp.Compile(text)
		return err
	})
	fs.BoolVar(&f.exec, "exec", false, "until the program after -- exits with code 0")
	fs.Func("give-up", "of --exec and --http, a `CODE` after which waiting is useless; may be repeated", func(text string) error {
		f.giveUp = append(f.giveUp, text)
		return nil
	})
	fs.StringVar(&f.metricURL, "metric", "", "until the metric --name at `URL` is --at-most or --at-least a number")
	fs.StringVar(&f.ports, "connections", "", "until at most --at-most TCP connections to `PORT`, or PORT,PORT, are left")
	fs.StringVar(&f.quiet, "quiet", "", "until no new TCP connection to `PORT`, or PORT,PORT, comes any more")
	f.quietFor = durationFlag(fs, "for", config.QuietFor, "of --quiet, no connection came for `DURATION`")
	fs.DurationVar(&f.connections.IdleFor, "idle-for", 0, "of --connections, leave out those without data for `DURATION`")
	fs.BoolVar(&f.connections.Loopback, "loopback", false, "of --connections and --quiet, count those from loopback too")
	fs.Func("ignore", "of --connections and --quiet, leave out those from `NETWORK`; may be repeated", func(text string) error {
		network, err := config.ParseNetwork(text)
		f.connections.Ignore = append(f.connections.Ignore, network)
		return err
	})
	fs.StringVar(&f.exit, "exit", "", "until the main process has exited; write `main`")
	f.endpoint.register(f.fs)
	f.status = statusFlag(f.fs)
	f.metricFlag("name", "which metric: its `NAME`", func(text string) error {
		f.metric.Name = text
		return nil
	})
	f.metricFlag("label", "only samples with the label `NAME=VALUE`; may be repeated", func(text string) error {
		name, value, found := strings.Cut(text, "=")
		if !found {
			return usagef("%q: a label such as state=active is needed", text)
		}
		f.metric.Labels = append(f.metric.Labels, config.Label{Name: name, Value: value})
		return nil
	})
	bound := func(to **float64) func(string) error {
		return func(text string) error {
			n, err := config.ParseBound(text)
			*to = &n
			return err
		}
	}
	fs.Func("at-most", "until the metric is, or the connections are, at most `N`", bound(&f.metric.AtMost))
	f.metricFlag("at-least", "until the metric is at least `N`", bound(&f.metric.AtLeast))
	f.metricFlag("gone-is", "what a server that has gone means: `WORD` is error, done or wait", func(text string) (err error) {
		f.metric.Gone, err = config.ParseGone(text)
		return err
	})
	return f
}

func (f *waitFlags) metricFlag(name, usage string, read func(string) error) {
	f.fs.Func(name, usage, func(text string) error {
		f.metricGiven = true
		return read(text)
	})
}

const oneAwaited = "wait: one of HOOK, --file, --gone, --tcp, --http, --exec -- PROGRAM, --metric, --connections, --quiet and --exit is needed"

// awaited returns what the words and flags name.
func (f *waitFlags) awaited(inv *invocation, words []string) (*awaited, error) {
	given := len(words)
	if f.exec {
		given = min(given, 1)
	}
	for _, flag := range []string{f.file, f.gone, f.tcp, f.http, f.metricURL, f.exit, f.ports, f.quiet} {
		if flag != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, usagef(oneAwaited)
	case *f.interval < 0:
		return nil, usagef("wait: --interval: %q: a duration of more than 0s is needed", *f.interval)
	case f.metricGiven && f.metricURL == "":
		return nil, usagef("wait: --name, --label, --at-least and --gone-is need --metric URL")
	case f.metric.AtMost != nil && f.metricURL == "" && f.ports == "":
		return nil, usagef("wait: --at-most needs --metric URL or --connections PORT")
	case f.ports == "" && f.connections.IdleFor != 0:
		return nil, usagef("wait: --idle-for needs --connections PORT")
	case *f.quietFor <= 0:
		return nil, usagef("wait: --for: %q: a duration of more than 0s is needed", *f.quietFor)
	case f.quiet == "" && *f.quietFor != config.QuietFor:
		return nil, usagef("wait: --for needs --quiet PORT")
	case f.ports == "" && f.quiet == "" && (f.connections.Loopback || f.connections.Ignore != nil):
		return nil, usagef("wait: --loopback and --ignore need --connections PORT or --quiet PORT")
	case f.body != nil && f.http == "":
		return nil, usagef("wait: --body needs --http URL")
	case f.giveUp != nil && f.http == "" && !f.exec:
		return nil, usagef("wait: --give-up needs --http URL or --exec")
	case *f.holds < 0:
		return nil, usagef("wait: --holds: %q: a duration of at least 0s is needed", *f.holds)
	case *f.holds > 0 && (f.exit != "" || *f.timeout == 0):
		return nil, usagef("wait: --holds means nothing with --exit and with --timeout 0s")
	case f.exit == "main":
		return inv.mainExit()
	case f.exit != "":
		return nil, usagef("wait: --exit: %q: main is needed", f.exit)
	case f.exec:
		return f.program(inv, words)
	case len(words) > 0:
		look, err := inv.hookSucceeded(words[0], *f.timeout)
		return looked("hook "+words[0], look.Holding(*f.holds), hookInterval), err
	}
	condition, err := f.condition()
	if err != nil {
		return nil, err
	}
	return f.looked(condition, wait.For(condition)), nil
}

// looked applies the flags of every wait.
func (f *waitFlags) looked(condition config.Condition, look wait.Look) *awaited {
	interval := wait.Interval(config.Wait{For: condition, Interval: *f.interval, Holds: *f.holds})
	return looked(condition.String(), look.Holding(*f.holds), interval)
}

func (f *waitFlags) condition() (config.Condition, error) {
	switch {
	case f.file != "":
		return config.File{Path: f.file}, nil
	case f.gone != "":
		return config.File{Path: f.gone, Gone: true}, nil
	case f.tcp != "":
		if err := config.CheckAddress(f.tcp); err != nil {
			return nil, usagef("wait: --tcp: %v", err)
		}
		return config.TCP{Address: f.tcp}, nil
	case f.ports != "":
		return f.connectionsLeft()
	case f.quiet != "":
		ports, err := parsePorts("quiet", f.quiet)
		return config.Quiet{Ports: ports, For: *f.quietFor, Loopback: f.connections.Loopback, Ignore: f.connections.Ignore}, err
	case f.http != "":
		return f.answer()
	}
	endpoint, err := f.endpoint.at("--metric", f.metricURL)
	if err != nil {
		return nil, err
	}
	f.metric.Endpoint = endpoint
	if err := f.metric.Check(); err != nil {
		return nil, usagef("wait: --metric: %v (--name, --at-most, --at-least)", err)
	}
	return f.metric, nil
}

func (f *waitFlags) answer() (config.Condition, error) {
	endpoint, err := f.endpoint.at("--http", f.http)
	c := config.HTTPAnswer{HTTP: config.HTTP{Endpoint: endpoint, Method: "GET", Status: *f.status}, Body: f.body}
	for _, text := range f.giveUp {
		status, failed := config.ParseStatus(text)
		if failed != nil {
			return nil, usagef("wait: --give-up: %v", failed)
		}
		c.GiveUp = append(c.GiveUp, status)
	}
	return c, err
}

func (f *waitFlags) connectionsLeft() (config.Condition, error) {
	c := f.connections
	var err error
	if c.Ports, err = parsePorts("connections", f.ports); err != nil {
		return nil, err
	}
	if c.IdleFor < 0 {
		return nil, usagef("wait: --idle-for: %q: a duration of more than 0s is needed", c.IdleFor)
	}
	if most := f.metric.AtMost; most != nil {
		if c.AtMost = int(*most); float64(c.AtMost) != *most || c.AtMost < 0 {
			return nil, usagef("wait: --at-most: %v: a whole number of connections is needed", *most)
		}
	}
	return c, nil
}

func parsePorts(flag, text string) (ports []uint16, err error) {
	for one := range strings.SplitSeq(text, ",") {
		port, err := config.ParsePort(strings.TrimSpace(one))
		if err != nil {
			return nil, usagef("wait: --%s: %v", flag, err)
		}
		ports = append(ports, port)
	}
	return ports, nil
}
