// Command metrics is an HTTP server at the address of its argument that shows the metrics of
// client_golang's own registry: the floor of an agent with metrics.
package main

import (
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

func main() {
	_ = http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		families, _ := prometheus.DefaultGatherer.Gather()
		for _, family := range families {
			_, _ = expfmt.MetricFamilyToText(w, family)
		}
	}))
}
