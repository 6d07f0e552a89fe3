package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Metric holds if the sum of the matching series of a Prometheus text endpoint is at
// least AtLeast and at most AtMost.
type Metric struct {
	Endpoint Endpoint
	Name     string
	// Labels lists the labels that a series must have. It may have more.
	Labels []Label
	// AtMost and AtLeast are the bounds. One of them may be nil.
	AtMost, AtLeast *float64
	Gone            GonePolicy
}

// Label is one label of a series.
type Label struct{ Name, Value string }

// GonePolicy says what it means if nothing listens at the endpoint, or if no series
// matches.
type GonePolicy string

const (
	// GoneIsError fails the step at once. It is the default with AtMost: a drain that
	// cannot be watched must not use up the grace period.
	GoneIsError GonePolicy = "error"
	// GoneIsDone ends the wait with success: a process that has exited has drained.
	GoneIsDone GonePolicy = "done"
	// GoneIsNotYet goes on waiting. It is the default without AtMost.
	GoneIsNotYet GonePolicy = "wait"
)

// String returns a text such as `metric envoy_cx_active{cluster="a"} <= 0`.
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

// Series returns the name and the labels in the notation of Prometheus.
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

// FormatNumber formats a number without an exponent, up to 1e15.
func FormatNumber(n float64) string {
	if math.Abs(n) < 1e15 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

// Check sets the default of Gone and returns an error if the metric is not valid.
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

// isMetricName reports whether a name is a classic one of Prometheus, which needs no
// quotes. also holds further characters that are allowed.
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

// ParseBound parses a bound of a metric.
func ParseBound(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%q: allowed is %s", text, numberRule)
	}
	return n, nil
}

// ParseGone parses a GonePolicy.
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
