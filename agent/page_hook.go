package agent

import (
	"fmt"
	"strings"
	"time"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/agent/timeline"
	"github.com/podhook/podhook/hooks/state"
)

const (
	// maxBars and maxPast bound what is shown of one run, and of the runs before it.
	maxBars, maxPast = 30, 5
	// maxReason bounds a reason, and maxTail the output of a step, in bytes.
	maxReason, maxTail = 500, 2000
	// sectionEnd is kept for what comes after the output, and leastTail is less than a
	// step's output needs with its heading, in bytes.
	sectionEnd, leastTail = 200, 100
)

// hook shows a hook and its last run: first how it ended and why, then its steps, what they
// have printed and the runs before, as far as there is room.
func (p *pageWriter) hook(h HookStatus, now time.Time, room int, output bool) {
	p.put("<section id=\"%s\"><h2>%s", h.Name, h.Name)
	rec := h.LastRun
	switch {
	case h.Error != "":
		p.put("</h2><p class=\"failed\">%s</p></section>\n", show.Cut(h.Error, maxReason))
		return
	case rec == nil && h.Steps == 0:
		p.WriteString("</h2><p><small>no steps</small></p></section>\n")
		return
	case rec == nil:
		p.put("</h2><p><small>%s, not run since the container started</small></p></section>\n", show.Count(h.Steps, "step"))
		return
	}
	run := timeline.Of(rec, now)
	p.begin(rec, run, now)
	p.fit(maxReason, room/3, func(p *pageWriter, n int) {
		if rec.Reason != "" {
			p.put("<p class=\"failed\">%s</p>\n", show.Cut(rec.Reason, n))
		}
	})
	p.fit(maxBars, room*6/10-p.Len(), func(p *pageWriter, n int) { p.bars(run, n) })
	past := new(pageWriter)
	past.fit(maxPast, room/5, func(p *pageWriter, n int) { p.past(h.History, rec.RunID, n) })
	p.tails(rec, room-past.Len()-sectionEnd)
	if output && rec.Outcome != state.Running {
		p.put("<p><a href=\"hooks/%s/output\">All output of %s</a></p>", h.Name, h.Name)
	}
	_, _ = past.WriteTo(p)
	p.WriteString("</section>\n")
}

// begin says how a run has ended or what it does now, and when.
func (p *pageWriter) begin(rec *state.Record, run timeline.Run, now time.Time) {
	words := "after"
	if rec.Outcome == state.Running {
		words = "for"
	}
	p.put(" <span class=\"%s\">%s</span></h2><p>%s %s, called by %s at %s", string(rec.Outcome), show.OutcomeWords(rec.Outcome),
		words, seconds(run.Whole), string(rec.Trigger), clock(rec.Start))
	if rec.Outcome != state.Running {
		p.put(", %s ago</p>\n", now.Sub(rec.Start.Add(run.Whole)).Round(time.Second).String())
		return
	}
	if !rec.Deadline.IsZero() {
		p.put("; it has %s left", seconds(max(rec.Deadline.Sub(now), 0)))
	}
	p.WriteString("</p>\n")
	for _, b := range run.Bars {
		if b.Outcome == state.Running {
			p.put("<p class=\"running\">Now: <b>%s</b> %s</p>\n", b.Name, show.Cut(b.About, 200))
		}
	}
}

// bars draws n steps of a run: those that did not succeed, and the longest.
func (p *pageWriter) bars(run timeline.Run, n int) {
	p.put("<table><thead><tr><th>Step</th><th>Took</th><th aria-label=\"Timeline of %s\">0 s<span>%s</span></th></tr></thead><tbody>\n", seconds(run.Whole), seconds(run.Whole))
	shown := run.Notable(n)
	for _, b := range shown {
		p.put("<tr><th scope=\"row\"><b>%s</b> <small class=\"%s\">%s</small></th><td>%s</td>", b.Name, string(b.Outcome), words(b), seconds(b.Took))
		p.put("<td><svg role=\"img\"><title>%s to %s</title><rect class=\"%s\" x=\"%s\" width=\"%s\"/>", at(run, b.From), at(run, b.To), string(b.Outcome),
			percent(min(b.From, 0.995)), percent(max(b.To-b.From, 0.005)))
		if run.Deadline > 0 {
			p.put("<line x1=\"%s\" x2=\"%s\" y2=\"100%%\"/>", percent(run.Deadline), percent(run.Deadline))
		}
		p.WriteString("</svg></td></tr>\n")
	}
	p.WriteString("</tbody></table>\n")
	if more := len(run.Bars) - len(shown); more > 0 {
		p.put("<p>%s: /status has all</p>\n", show.Count(more, "more step"))
	}
	if run.Deadline > 0 {
		p.put("<p><small>The line is the deadline, at %s.</small></p>\n", at(run, run.Deadline))
	}
	p.names("Skipped", run.Skipped)
	p.names("To come", run.Ahead)
}

// names lists steps that have no bar.
func (p *pageWriter) names(what string, names []string) {
	if len(names) > 0 {
		const most = 10
		more := ""
		if len(names) > most {
			more = fmt.Sprintf(" and %d more", len(names)-most)
		}
		p.put("<p>%s: %s%s</p>\n", what, show.Cut(strings.Join(names[:min(len(names), most)], ", "), 400), more)
	}
}

// words says how a step has ended.
func words(b timeline.Bar) string {
	text := show.OutcomeWords(b.Outcome)
	switch {
	case strings.HasPrefix(b.About, text):
		text = b.About
	case b.About != "":
		text += ": " + b.About
	}
	return show.Cut(text, 200)
}

func at(run timeline.Run, part float64) string {
	return seconds(time.Duration(part * float64(run.Whole)))
}

// tails shows the last lines of the steps that did not succeed, where they are allowed.
func (p *pageWriter) tails(rec *state.Record, room int) {
	for _, s := range rec.Steps {
		switch {
		case room-p.Len() < leastTail:
			return
		case s.Outcome == state.Succeeded || len(s.Tail) == 0:
			continue
		}
		text := strings.Join(s.Tail, "\n")
		p.fit(maxTail, room-p.Len(), func(p *pageWriter, n int) {
			p.put("<h3>Output of %s</h3><pre>%s</pre>\n", s.Name, text[max(len(text)-n, 0):])
		})
	}
}

// past lists n runs before the last one, the newest first.
func (p *pageWriter) past(runs []state.PastRun, last string, n int) {
	shown := 0
	for i := len(runs) - 1; i >= 0 && shown < n; i-- {
		r := runs[i]
		if r.RunID == last {
			continue
		}
		if shown++; shown == 1 {
			p.WriteString("<h3>Runs before</h3><table class=\"past\"><thead><tr><th>Called at</th><th>Took</th><th>Outcome</th></tr></thead><tbody>\n")
		}
		took := "-"
		if r.End != nil {
			took = seconds(r.End.Sub(r.Start))
		}
		p.put("<tr><td>%s by %s</td><td>%s</td><td><span class=\"%s\">%s</span> %s</td></tr>\n", clock(r.Start), string(r.Trigger), took,
			string(r.Outcome), show.OutcomeWords(r.Outcome), show.Cut(r.Reason, 100))
	}
	if shown > 0 {
		p.WriteString("</tbody></table>\n")
	}
}
