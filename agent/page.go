package agent

import (
	"bytes"
	_ "embed"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/agent/timeline"
	"github.com/podhook/podhook/hooks/state"
)

//go:embed page.css
var pageStyle string

const (
	// maxPage bounds the page, in bytes. What does not fit is in /status.
	maxPage = 20_000
	// maxBars and maxPast bound what is shown of one run, and of the runs before it.
	maxBars, maxPast = 30, 5
	// refresh is how often a page is read again while a hook runs, in seconds.
	refresh = 2
)

// root tells people what there is: a browser gets a page, everybody else the paths.
func (a *Agent) root(w http.ResponseWriter, req *http.Request, paths []string) {
	if !strings.Contains(req.Header.Get("Accept"), "text/html") {
		text := "podhook " + a.Version + "\n\n" + strings.Join(paths, "\n") + "\n"
		send(w, http.StatusOK, "text/plain; charset=utf-8", []byte(text))
		return
	}
	st, err := a.statusFor(req)
	if err != nil {
		answer(w, http.StatusInternalServerError, problem{err.Error()})
		return
	}
	// Nothing is loaded or run, whatever a hook has printed.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.Header().Set("Cache-Control", "no-store")
	send(w, http.StatusOK, "text/html; charset=utf-8", page(st, time.Now()))
}

// pageWriter writes HTML that is well-formed XML too. Every argument of put is text.
type pageWriter struct{ bytes.Buffer }

func (p *pageWriter) put(format string, texts ...string) {
	// Package html does the same, and brings a table of 0.1 MB.
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")
	escaped := make([]any, len(texts))
	for i, text := range texts {
		escaped[i] = escape.Replace(strings.ToValidUTF8(text, "\uFFFD"))
	}
	fmt.Fprintf(p, format, escaped...)
}

// page shows the status as a page that needs no script.
func page(st Status, now time.Time) []byte {
	p := new(pageWriter)
	p.WriteString("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width\"/>")
	for _, h := range st.Hooks {
		if h.LastRun != nil && h.LastRun.Outcome == state.Running {
			p.put("<meta http-equiv=\"refresh\" content=\"%s\"/>", fmt.Sprint(refresh))
			break
		}
	}
	p.WriteString("<title>podhook</title><style>" + pageStyle + "</style></head><body>\n")
	p.head(st)
	for i, h := range st.Hooks {
		section := new(pageWriter)
		section.hook(h, now)
		if p.Len()+section.Len() > maxPage-500 {
			p.put("<p>%s more: /status has all</p>\n", show.Count(len(st.Hooks)-i, "hook"))
			break
		}
		_, _ = section.WriteTo(p)
	}
	p.WriteString("<footer><a href=\"status?pretty\">status</a> <a href=\"metrics\">metrics</a>")
	if st.Withheld != "" {
		p.put(" Not shown: %s.", st.Withheld)
	}
	p.WriteString("</footer></body></html>\n")
	return p.Bytes()
}

func (p *pageWriter) head(st Status) {
	ready, class := "ready", "succeeded"
	if st.NotReady != "" {
		ready, class = "not ready: "+st.NotReady, "failed"
	}
	p.put("<h1>podhook <small>%s</small></h1>\n<p class=\"%s\">%s</p>\n", st.Version, class, ready)
	if m := st.Main; m != nil {
		text := m.Error
		if text == "" {
			text = fmt.Sprintf("%s, PID %d", m.Name, m.PID)
		}
		p.put("<p>main process: %s (%s)</p>\n", strings.ReplaceAll(m.State, "_", " "), text)
	}
	if st.Config.Refused != "" {
		p.put("<p class=\"failed\">The configuration is refused, the last good one is in force: %s</p>\n", show.Cut(st.Config.Refused, 500))
	}
}

func (p *pageWriter) hook(h HookStatus, now time.Time) {
	rec := h.LastRun
	switch {
	case h.Error != "":
		p.put("<section><h2>%s</h2><p class=\"failed\">%s</p></section>\n", h.Name, show.Cut(h.Error, 500))
		return
	case rec == nil:
		p.put("<section><h2>%s</h2><p>%s, not run in this instance</p></section>\n", h.Name, show.Count(h.Steps, "step"))
		return
	}
	run := timeline.Of(rec, now)
	p.put("<section><h2>%s <small class=\"%s\">%s</small></h2><p>%s, called by %s, %s</p>\n", h.Name, string(rec.Outcome),
		show.OutcomeWords(rec.Outcome), seconds(run.Whole), string(rec.Trigger), rec.Start.UTC().Format(time.RFC3339))
	if rec.Reason != "" {
		p.put("<p class=\"failed\">%s</p>\n", show.Cut(rec.Reason, 500))
	}
	p.bars(run)
	p.tails(rec)
	p.past(h.History, rec.RunID)
	p.WriteString("</section>\n")
}

// bars draws the steps of a run.
func (p *pageWriter) bars(run timeline.Run) {
	p.WriteString("<ol>")
	for i, b := range run.Bars {
		if i == maxBars {
			p.put("<li>%s more</li>", show.Count(len(run.Bars)-i, "step"))
			break
		}
		p.put("<li><b>%s</b> <small>%s %s</small><svg role=\"img\"><title>%s</title><rect class=\"%s\" x=\"%s\" width=\"%s\"/>",
			b.Name, seconds(b.Took), show.Cut(b.About, 200), show.OutcomeWords(b.Outcome), string(b.Outcome), percent(b.From), percent(max(b.To-b.From, 0.005)))
		if run.Deadline > 0 {
			p.put("<line x1=\"%s\" x2=\"%s\" y2=\"100%%\"/>", percent(run.Deadline), percent(run.Deadline))
		}
		p.WriteString("</svg></li>\n")
	}
	p.WriteString("</ol>\n")
}

// tails shows the last lines of the steps that did not succeed, where they are allowed.
func (p *pageWriter) tails(rec *state.Record) {
	for _, s := range rec.Steps {
		if s.Outcome != state.Succeeded && len(s.Tail) > 0 {
			p.put("<pre><b>%s</b>\n%s</pre>\n", s.Name, show.Cut(strings.Join(s.Tail, "\n"), 2000))
		}
	}
}

// past lists the runs before the last one, the newest first.
func (p *pageWriter) past(runs []state.PastRun, last string) {
	n := 0
	for i := len(runs) - 1; i >= 0 && n < maxPast; i-- {
		r := runs[i]
		if r.RunID == last {
			continue
		}
		if n++; n == 1 {
			p.WriteString("<details><summary>before</summary><ul>")
		}
		took := "-"
		if r.End != nil {
			took = seconds(r.End.Sub(r.Start))
		}
		p.put("<li class=\"%s\">%s %s after %s, called by %s</li>", string(r.Outcome), r.Start.UTC().Format(time.RFC3339), show.OutcomeWords(r.Outcome), took, string(r.Trigger))
	}
	if n > 0 {
		p.WriteString("</ul></details>\n")
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func percent(part float64) string { return fmt.Sprintf("%.2f%%", 100*part) }
