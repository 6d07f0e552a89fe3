package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// span is the time that is drawn.
const span = 90 * time.Second

// server is a Prometheus, by its address.
type server struct{ url string }

// series is one line of a graph. Points are Unix seconds and values as text.
type series struct {
	Labels map[string]string `json:"metric"`
	Points [][2]any          `json:"values"`
}

// query asks for the last moments of the whole fleet.
func (s server) query(expr string) ([]series, error) {
	expr = strings.NewReplacer("$__rate_interval", "10s", "$namespace", ".*", "$job", ".*", "$pod", ".*").Replace(expr)
	now := time.Now()
	at := func(t time.Time) []string { return []string{strconv.FormatInt(t.Unix(), 10)} }
	resp, err := http.Get(s.url + "/api/v1/query_range?" +
		url.Values{"query": {expr}, "start": at(now.Add(-span)), "end": at(now), "step": {"1"}}.Encode())
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []series }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", expr, resp.Status, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s: %s", expr, answer.Error)
	}
	return answer.Data.Result, nil
}

var placeholder = regexp.MustCompile(`\{\{(\w+)\}\}`)

// name fills in a legend: "{{job}} {{hook}}".
func (s series) name(legend string) string {
	return placeholder.ReplaceAllStringFunc(legend, func(label string) string {
		return s.Labels[strings.Trim(label, "{}")]
	})
}
