package main

import (
	"flag"
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
	timeout  time.Duration
	interval time.Duration

	file, gone, tcp, http, metricURL, exit string

	endpoint endpointFlags
	status   *[]config.StatusRange
	metric   config.Metric
	// metricGiven says that a flag was given that needs --metric.
	metricGiven bool
}

func newWaitFlags() *waitFlags {
	f := &waitFlags{fs: flag.NewFlagSet("wait", flag.ContinueOnError)}
	f.fs.DurationVar(&f.timeout, "timeout", defaultWait, "")
	f.fs.DurationVar(&f.interval, "interval", 0, "")
	for name, text := range map[string]*string{
		"file": &f.file, "gone": &f.gone, "tcp": &f.tcp, "http": &f.http, "metric": &f.metricURL, "exit": &f.exit,
	} {
		f.fs.StringVar(text, name, "", "")
	}
	f.endpoint.register(f.fs)
	f.status = statusFlag(f.fs)
	f.metricFlag("name", func(text string) error {
		f.metric.Name = text
		return nil
	})
	f.metricFlag("label", func(text string) error {
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
	f.metricFlag("at-most", bound(&f.metric.AtMost))
	f.metricFlag("at-least", bound(&f.metric.AtLeast))
	f.metricFlag("gone-is", func(text string) (err error) {
		f.metric.Gone, err = config.ParseGone(text)
		return err
	})
	return f
}

func (f *waitFlags) metricFlag(name string, read func(string) error) {
	f.fs.Func(name, "", func(text string) error {
		f.metricGiven = true
		return read(text)
	})
}

const oneAwaited = "wait: one of HOOK, --file, --gone, --tcp, --http, --metric and --exit is needed"

// awaited returns what the words and flags name.
func (f *waitFlags) awaited(inv *invocation, words []string) (*awaited, error) {
	given := len(words)
	for _, flag := range []string{f.file, f.gone, f.tcp, f.http, f.metricURL, f.exit} {
		if flag != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, usagef(oneAwaited)
	case f.interval < 0:
		return nil, usagef("wait: --interval: %q: a duration of more than 0s is needed", f.interval)
	case f.metricGiven && f.metricURL == "":
		return nil, usagef("wait: --name, --label, --at-most, --at-least and --gone-is need --metric URL")
	case f.exit == "main":
		return inv.mainExit()
	case f.exit != "":
		return nil, usagef("wait: --exit: %q: main is needed", f.exit)
	case len(words) > 0:
		look, err := inv.hookSucceeded(words[0], f.timeout)
		return looked("hook "+words[0], look, hookInterval), err
	}
	condition, err := f.condition()
	if err != nil {
		return nil, err
	}
	return looked(condition.String(), wait.For(condition), f.interval), nil
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
	case f.http != "":
		endpoint, err := f.endpoint.at("--http", f.http)
		return config.HTTPAnswer{HTTP: config.HTTP{Endpoint: endpoint, Method: "GET", Status: *f.status}}, err
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
