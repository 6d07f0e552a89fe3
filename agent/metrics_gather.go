package agent

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// families are the metrics of one collector, as the text format groups them. Each scrape
// uses the memory of the one before. A prometheus.Registry takes 40 kB more for each, 32 of
// them for its channels, and an idle agent keeps them until the garbage collector runs.
// Use is limited to one goroutine at a time.
type families struct {
	of     map[*prometheus.Desc]*dto.MetricFamily
	sorted []*dto.MetricFamily // by name
}

// desc adds a family.
func (f *families) desc(name, help string, labels ...string) *prometheus.Desc {
	d := prometheus.NewDesc(name, help, labels, nil)
	family := &dto.MetricFamily{Name: &name, Help: &help}
	f.of[d] = family
	f.sorted = append(f.sorted, family)
	for i := len(f.sorted) - 1; i > 0 && f.sorted[i-1].GetName() > name; i-- {
		f.sorted[i-1], f.sorted[i] = f.sorted[i], f.sorted[i-1]
	}
	return d
}

// gather collects the metrics. Those that have no error are there in spite of one.
func (f *families) gather(c prometheus.Collector) error {
	for _, family := range f.sorted {
		family.Metric = family.Metric[:0]
	}
	metrics := make(chan prometheus.Metric, 16)
	go func() {
		defer close(metrics)
		c.Collect(metrics)
	}()
	var problems []error
	for m := range metrics {
		if err := f.add(m); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// add puts a metric at its place in its family.
func (f *families) add(m prometheus.Metric) error {
	family := f.of[m.Desc()]
	n := len(family.Metric)
	var metric *dto.Metric
	if n < cap(family.Metric) {
		metric = family.Metric[:n+1][n] // of an earlier scrape
	}
	if metric == nil {
		metric = &dto.Metric{}
	}
	metric.Reset()
	if err := m.Write(metric); err != nil {
		return fmt.Errorf("%s: %w", family.GetName(), err)
	}
	if family.Type == nil {
		family.Type = typeOf(metric).Enum()
	}
	family.Metric = append(family.Metric, metric)
	for i := n; i > 0; i-- {
		switch order := compareLabels(family.Metric[i-1], metric); {
		case order == 0:
			copy(family.Metric[i:], family.Metric[i+1:])
			family.Metric[n] = metric // for the next one
			family.Metric = family.Metric[:n]
			return fmt.Errorf("%s has the same labels twice: %v", family.GetName(), metric.Label)
		case order < 0:
			return nil
		}
		family.Metric[i-1], family.Metric[i] = metric, family.Metric[i-1]
	}
	return nil
}

func typeOf(m *dto.Metric) dto.MetricType {
	switch {
	case m.Counter != nil:
		return dto.MetricType_COUNTER
	case m.Histogram != nil:
		return dto.MetricType_HISTOGRAM
	default:
		return dto.MetricType_GAUGE
	}
}

// compareLabels compares metrics of one family, which have the same labels in the same order.
func compareLabels(a, b *dto.Metric) int {
	for i, label := range a.Label {
		if order := strings.Compare(label.GetValue(), b.Label[i].GetValue()); order != 0 {
			return order
		}
	}
	return 0
}

// writeText writes families in the text format of Prometheus. An expfmt.Encoder would add
// the other formats to the binary.
func writeText(text *bytes.Buffer, families []*dto.MetricFamily) error {
	for _, family := range families {
		if len(family.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(text, family); err != nil {
			return err
		}
	}
	return nil
}
