package agent

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// browse gets the page as a browser does. With a token it sees all.
func (w *world) browse(token string) (page string, res *http.Response) {
	w.t.Helper()
	req, err := http.NewRequest("GET", w.url+"/", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	req.Header.Set("User-Agent", "Mozilla/5.0")
	req.Header.Set("Sec-Fetch-Site", "none")
	if token != "" {
		req.Header.Set("X-Podhook-Token", token)
	}
	res, err = http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		w.t.Fatalf("%s, %v: %s", res.Status, err, body)
	}
	return string(body), res
}

// elements counts the elements of a page by NAME and NAME.CLASS. The page must be
// well-formed, whatever hooks are called and print.
func elements(t *testing.T, page string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(page))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return seen
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, page)
		}
		if e, ok := token.(xml.StartElement); ok {
			seen[e.Name.Local]++
			for _, a := range e.Attr {
				if a.Name.Local == "class" {
					seen[e.Name.Local+"."+a.Value]++
				}
			}
		}
	}
}

// TestPage shows a failed run and those before it: each step as a bar.
func TestPage(t *testing.T) {
	w := serving(t, `hooks:
  prestart:
    steps:
    - {name: good, exec: [sh, -c, "echo quiet"]}
    - {name: bad, exec: [sh, -c, "echo '<script>alert(1)</script>'; exit 3"], retries: 1, backoff: 1ms}
    - {name: never, sleep: 1s}
`, trusted)
	for range 3 {
		w.get("/prestart")
	}
	page, res := w.browse("the-token-of-this-test")
	seen := elements(t, page)
	for element, want := range map[string]int{"rect.succeeded": 1, "rect.failed": 1, "rect.skipped": 0, "li.failed": 2, "script": 0, "meta": 2, "pre": 1} {
		if seen[element] != want {
			t.Errorf("%d of %s, want %d", seen[element], element, want)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)&lt;/script&gt;", "attempt 2, exited with code 3", "step bad: exited with code 3", "prefers-color-scheme:dark"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", res.Header)
	}
	public, _ := w.browse("")
	if strings.Contains(public, "alert(1)") || !strings.Contains(public, "exited with code 3") || !strings.Contains(public, "it needs a token") {
		t.Errorf("without a token:\n%s", public)
	}
}

// TestPageOfARun: while a hook runs, the page says what it waits for, and is read again.
func TestPageOfARun(t *testing.T) {
	dir := t.TempDir()
	w := serving(t, "hooks: {drain: {steps: [{name: w, wait: {file: "+filepath.Join(dir, "go")+", interval: 20ms}}]}}\n", trusted)
	f, _, err := w.agent.Runner.Start("drain", hooks.Request{})
	if err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the page shows it", func() bool {
		page, _ := w.browse("the-token-of-this-test")
		return strings.Contains(page, "waiting: file") && strings.Contains(page, `http-equiv="refresh"`) && elements(t, page)["rect.running"] == 1
	})
	w.write(filepath.Join(dir, "go"), "")
	if _, err := f.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, _ := w.browse("the-token-of-this-test")
	if strings.Contains(page, `http-equiv="refresh"`) || elements(t, page)["rect.succeeded"] != 1 {
		t.Error(page)
	}
}

// TestPageIsBounded: many hooks with long records do not make the page longer than 20 kB.
func TestPageIsBounded(t *testing.T) {
	now := time.Now()
	st := Status{Version: "v1"}
	for i := range 100 {
		rec := &state.Record{Outcome: state.Failed, Start: now.Add(-time.Minute), End: &now, Reason: strings.Repeat("<", 3000)}
		for n := range 1000 {
			rec.Steps = append(rec.Steps, state.StepRecord{Name: fmt.Sprint("s", n), Outcome: state.Failed, Start: &rec.Start, End: &now,
				Error: strings.Repeat("ä", 1000), Tail: []string{strings.Repeat("x", 2000)}})
		}
		st.Hooks = append(st.Hooks, HookStatus{Name: fmt.Sprint("h", i), LastRun: rec})
	}
	text := page(st, now)
	if len(text) > maxPage || !strings.Contains(string(text), "more: /status has all") {
		t.Errorf("%d bytes", len(text))
	}
	elements(t, string(text))
	few := page(Status{Hooks: []HookStatus{{Name: config.Prestart, Steps: 2}}}, now)
	if !strings.Contains(string(few), "2 steps, not run in this instance") {
		t.Errorf("%s", few)
	}
}
