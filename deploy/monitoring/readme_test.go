package monitoring

import (
	"regexp"
	"testing"
)

// agentMetrics are the metrics of the agent. A test of the agent holds this table of its
// README to the code.
func agentMetrics(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^[|] `(podhook_\\w+)").FindAllStringSubmatch(read(t, "../../agent/README.md"), -1) {
		names[m[1]] = true
	}
	if len(names) < 20 {
		t.Fatalf("agent/README.md lists %d metrics", len(names))
	}
	return names
}

// example is a row of the README's table of queries.
type example struct{ metric, query string }

func examples(t *testing.T) (found []example) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?m)^[|] `(podhook_\\w+)` [|] .+ [|] `([^`]+)` [|]$").FindAllStringSubmatch(read(t, "README.md"), -1) {
		found = append(found, example{m[1], m[2]})
	}
	return found
}

// There is an example for each metric, and it uses that metric.
func TestReadmeHasAnExampleForEachMetric(t *testing.T) {
	missing := agentMetrics(t)
	for _, e := range examples(t) {
		if !missing[e.metric] {
			t.Errorf("%s is no metric, or is listed twice", e.metric)
		}
		delete(missing, e.metric)
		if !regexp.MustCompile(`\b` + e.metric).MatchString(e.query) {
			t.Errorf("%s does not use %s", e.query, e.metric)
		}
	}
	for name := range missing {
		t.Errorf("README.md has no example query for %s", name)
	}
}
