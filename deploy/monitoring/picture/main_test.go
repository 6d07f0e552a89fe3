package main

import (
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const oneGraph = `{"panels": [{"type": "row"}, {"type": "timeseries", "title": "Runs", "targets": [{"expr": "runs{job=~\"$job\"}", "legendFormat": "{{job}}"}]}]}`

// drawing draws a dashboard from a server that has this answer, and returns the pixels that
// its first line has.
func drawing(t *testing.T, dashboard, answer string) (int, error) {
	t.Helper()
	prometheus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if got := req.FormValue("query"); got != `runs{job=~".*"}` {
			t.Errorf("asked for %s", got)
		}
		fmt.Fprint(w, answer)
	}))
	defer prometheus.Close()
	from, to := filepath.Join(t.TempDir(), "d.json"), filepath.Join(t.TempDir(), "d.png")
	if err := os.WriteFile(from, []byte(dashboard), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(prometheus.URL, from, to); err != nil {
		return 0, err
	}
	file, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for y := range picture.Bounds().Max.Y {
		for x := range picture.Bounds().Max.X {
			if r, g, b, _ := picture.At(x, y).RGBA(); r>>8 == 0 && g>>8 == 0x72 && b>>8 == 0xb2 {
				n++
			}
		}
	}
	return n, nil
}

func result(points ...string) string {
	return `{"status": "success", "data": {"result": [{"metric": {"job": "web"}, "values": [` + strings.Join(points, ",") + `]}]}}`
}

func TestLineIsDrawn(t *testing.T) {
	var whole, gap []string
	for i := range 60 {
		point := fmt.Sprintf(`[%d, "2"]`, time.Now().Unix()-60+int64(i))
		whole = append(whole, point)
		if i < 20 || i >= 40 {
			gap = append(gap, point)
		}
	}
	long, err := drawing(t, oneGraph, result(whole...))
	if err != nil {
		t.Fatal(err)
	}
	short, err := drawing(t, oneGraph, result(gap...))
	if err != nil {
		t.Fatal(err)
	}
	if none, err := drawing(t, oneGraph, result(`[1, "NaN"]`)); err != nil || none != 0 {
		t.Errorf("%d pixels of nothing, %v", none, err)
	}
	if short < 30 || long < short+30 {
		t.Errorf("a line has %d pixels, one with a gap %d", long, short)
	}
}

func TestErrors(t *testing.T) {
	for answer, want := range map[string]string{
		`{"status": "error", "error": "no such function"}`: "Runs: runs{job=~\".*\"}: no such function",
		`<html>`:               "200 OK: invalid character",
		result(`[1, "lots"]`):  "is no point",
		result(`["now", "1"]`): "is no point",
	} {
		if _, err := drawing(t, oneGraph, answer); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", answer, err, want)
		}
	}
	if _, err := drawing(t, `{"panels": []}`, ""); err == nil {
		t.Error("a picture of no graph is drawn")
	}
}
