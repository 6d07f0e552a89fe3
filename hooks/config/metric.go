package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Metric holds when the sum of the matching series of a Prometheus text endpoint
// is at most AtMost and at least AtLeast.
type Metric struct {
	Endpoint Endpoint
	Name     string
	// Labels are those that a series must have; it may have others.
	Labels []Label
	// AtMost and AtLeast are the bounds; one of them may be nil.
	AtMost, AtLeast *float64
	Gone            GonePolicy
}

// Label is one label of a series.
type Label struct{ Name, Value string }

// GonePolicy says what it means that nobody listens at the endpoint, or that no
// series matches.
type GonePolicy string

const (
	// GoneIsError fails the step at once; the default where there is an AtMost: a
	// drain that cannot be watched must not eat the grace period.
	GoneIsError GonePolicy = "error"
	// GoneIsDone ends the waiting: what has exited has drained.
	GoneIsDone GonePolicy = "done"
	// GoneIsNotYet goes on looking; the default where there is no AtMost.
	GoneIsNotYet GonePolicy = "wait"
)

// String is such as `metric envoy_cx_active{cluster="a"} <= 0`.
func (m Metric) String() string {
	text := "metric " + m.Series()
	if m.AtLeast != nil {
		text += " >= " + FormatNumber(*m.AtLeast)
	}
	if m.AtMost != nil {
		text += " <= " + FormatNumber(*m.AtMost)
	}
	return text
}

// Series is the name with its labels, as Prometheus writes them.
func (m Metric) Series() string {
	if len(m.Labels) == 0 {
		return m.Name
	}
	var pairs []string
	for _, l := range m.Labels {
		pairs = append(pairs, l.Name+"="+strconv.Quote(l.Value))
	}
	return m.Name + "{" + strings.Join(pairs, ",") + "}"
}

// FormatNumber writes 5 as 5, not as 5e+00.
func FormatNumber(n float64) string {
	if math.Abs(n) < 1e15 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

// Check completes a metric that was read, and says what is wrong with it.
func (m *Metric) Check() error {
	switch {
	case !isMetricName(m.Name, ":"):
		return fmt.Errorf("a metric has a name such as http_connections_active")
	case m.AtMost == nil && m.AtLeast == nil:
		return fmt.Errorf("a metric needs a bound, atMost or atLeast")
	case m.AtMost != nil && m.AtLeast != nil && *m.AtMost < *m.AtLeast:
		return fmt.Errorf("no number is at least %s and at most %s", FormatNumber(*m.AtLeast), FormatNumber(*m.AtMost))
	}
	for _, l := range m.Labels {
		if !isMetricName(l.Name, "") {
			return fmt.Errorf("%q is not the name of a label", l.Name)
		}
	}
	switch {
	case m.Gone != "":
	case m.AtMost != nil:
		m.Gone = GoneIsError
	default:
		m.Gone = GoneIsNotYet
	}
	return nil
}

// isMetricName goes by Prometheus' classic names, which every exporter can write
// without quotes.
func isMetricName(name, also string) bool {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || strings.ContainsRune(also, r)
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

const numberRule = "a number such as 0 or 1.5"

// ParseBound reads a bound of a metric.
func ParseBound(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%q: %s is needed", text, numberRule)
	}
	return n, nil
}

// ParseGone reads what it means that the target of a metric is gone.
func ParseGone(text string) (GonePolicy, error) {
	switch p := GonePolicy(text); p {
	case GoneIsError, GoneIsDone, GoneIsNotYet:
		return p, nil
	}
	return "", fmt.Errorf("%q: error, done or wait is needed", text)
}

func (d *decoder) metric(v value) Metric {
	before := d.found()
	var m Metric
	bound := func(v value) *float64 {
		text, ok := d.text(v, numberRule)
		if !ok {
			return nil
		}
		n, err := ParseBound(text)
		if err != nil {
			d.refuse(v, numberRule)
		}
		return &n
	}
	d.fields(v, "a mapping such as {url: \"http://127.0.0.1:9901/stats/prometheus\", name: connections_active, atMost: 0}",
		append(d.endpointFields(&m.Endpoint),
			field{"name", func(v value) { m.Name, _ = d.text(v, "the name of a metric") }},
			field{"labels", func(v value) { m.Labels = d.labels(v) }},
			field{"atMost", func(v value) { m.AtMost = bound(v) }},
			field{"atLeast", func(v value) { m.AtLeast = bound(v) }},
			field{"goneIs", func(v value) { m.Gone = d.gone(v) }},
		))
	d.checkEndpoint(v, m.Endpoint)
	if err := m.Check(); err != nil && d.found() == before {
		d.add(Problem{Pos: d.pos(v), Field: v.path, Value: m.Name, Msg: err.Error()})
	}
	return m
}

func (d *decoder) labels(v value) []Label {
	list, _ := d.entries(v, "a mapping of labels to values, such as {state: active}")
	var labels []Label
	for _, e := range list {
		if text, ok := d.text(e.value, "a text"); ok {
			labels = append(labels, Label{e.key, text})
		}
	}
	return labels
}

func (d *decoder) gone(v value) GonePolicy {
	const allowed = "error, done or wait"
	text, ok := d.text(v, allowed)
	if !ok {
		return ""
	}
	p, err := ParseGone(text)
	if err != nil {
		d.refuse(v, allowed)
	}
	return p
}
