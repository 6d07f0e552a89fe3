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
	for element, want := range map[string]int{"rect.succeeded": 1, "rect.failed": 1, "rect.skipped": 0, "table.past": 1, "script": 0, "meta": 2, "pre": 1, "tr": 6} {
		if seen[element] != want {
			t.Errorf("%d of %s, want %d", seen[element], element, want)
		}
	}
	for _, want := range []string{"&#60;script&#62;alert(1)&#60;/script&#62;", "attempt 2, exited with code 3", "step bad: exited with code 3", "Skipped: never (an earlier step did not succeed)", "prefers-color-scheme:dark"} {
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

// TestPageIsBounded: many hooks with long records do not make the page longer than 20 kB, and
// how each hook has ended stays on it as long as there is room.
func TestPageIsBounded(t *testing.T) {
	now := time.Now()
	for _, n := range []int{1, 3, 10, 100} {
		st := Status{Version: "v1", NotReady: strings.Repeat("n", 3000)}
		for i := range n {
			rec := &state.Record{Outcome: state.Failed, Start: now.Add(-time.Minute), End: &now, Reason: strings.Repeat("<", 3000)}
			for n := range 1000 {
				rec.Steps = append(rec.Steps, state.StepRecord{Name: fmt.Sprint("s", n), Outcome: state.Failed, Start: &rec.Start, End: &now,
					Error: strings.Repeat("ä", 1000), Tail: []string{strings.Repeat("x", 2000)}})
			}
			h := HookStatus{Name: fmt.Sprint("h", i), LastRun: rec}
			for range 20 {
				h.History = append(h.History, state.PastRun{RunID: "before", Outcome: state.Failed, Start: now, End: &now, Reason: strings.Repeat("&", 200)})
			}
			st.Hooks = append(st.Hooks, h)
		}
		text := page(st, now)
		seen := elements(t, string(text))
		if len(text) > maxPage || strings.Contains(string(text), "more hooks: /status has all") != (n == 100) {
			t.Errorf("%d hooks: %d bytes", n, len(text))
		}
		if n <= 10 && seen["section"] != n || n <= 3 && (seen["pre"] < n || seen["svg"] < 3*n || seen["table.past"] < n) {
			t.Errorf("%d hooks: %v", n, seen)
		}
	}
}

// TestPageOfNothing: hooks that have not run say so.
func TestPageOfNothing(t *testing.T) {
	text := string(page(Status{Hooks: []HookStatus{{Name: config.Prestart, Steps: 2}, {Name: config.Poststop}}}, time.Now()))
	for _, want := range []string{"2 steps, not run since the container started", "no steps"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}
