package agent

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/state"
)

//go:embed page.css
var pageStyle string

const (
	// maxPage bounds the page, in bytes. What does not fit is in /status.
	maxPage = 20_000
	// footerRoom is kept for what comes after the hooks.
	footerRoom = 600
	// refresh is how often a page is read again while a hook runs, in seconds.
	refresh = "2"
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
	w.Header().Set("Content-Security-Policy", pagePolicy())
	w.Header().Set("Cache-Control", "no-store")
	send(w, http.StatusOK, "text/html; charset=utf-8", page(st, time.Now()))
}

// pagePolicy lets a browser use the style of the page, and neither load nor run anything,
// whatever a hook has printed. The empty icon keeps browsers from asking for /favicon.ico.
func pagePolicy() string {
	hash := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// pageWriter writes HTML that is well-formed XML too. Every argument of put is text.
type pageWriter struct{ bytes.Buffer }

func (p *pageWriter) put(format string, texts ...string) {
	escaped := make([]any, len(texts))
	for i, text := range texts {
		escaped[i] = escape(text)
	}
	fmt.Fprintf(p, format, escaped...)
}

// escape makes a text of what has a meaning in HTML. Package html does the same, and brings a
// table of 0.1 MB.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text { // invalid UTF-8 is U+FFFD
		switch {
		case strings.ContainsRune(`&<>"'`, r):
			fmt.Fprintf(&b, "&#%d;", r)
		case r < ' ' && r != '\n' && r != '\t': // not even escaped allowed
			b.WriteRune('\uFFFD')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// fit writes a part of the page with as much as has room: n, or half of it, and so on.
func (p *pageWriter) fit(n, room int, part func(p *pageWriter, n int)) {
	for ; n > 0; n /= 2 {
		w := new(pageWriter)
		if part(w, n); w.Len() <= room {
			_, _ = w.WriteTo(p)
			return
		}
	}
}

// page shows the status as a page that needs no script. The hooks that have run share its
// room.
func page(st Status, now time.Time) []byte {
	p, ran := new(pageWriter), 0
	title := "ready"
	if st.NotReady != "" {
		title = "not ready"
	}
	p.WriteString("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>")
	for _, h := range st.Hooks {
		if h.LastRun == nil {
			continue
		}
		if ran++; h.LastRun.Outcome == state.Running && title != h.Name+" running" {
			title = h.Name + " running"
		}
	}
	if strings.HasSuffix(title, "running") {
		p.put("<meta http-equiv=\"refresh\" content=\"%s\"/>", refresh)
	}
	p.put("<link rel=\"icon\" href=\"data:,\"/><title>podhook: %s</title><style>", title)
	p.WriteString(pageStyle + "</style></head><body>\n")
	p.head(st)
	p.summary(st.Hooks)
	for i, h := range st.Hooks {
		room := maxPage - footerRoom - p.Len()
		section := new(pageWriter)
		section.hook(h, now, room/max(ran, 1), st.Withheld == "")
		if section.Len() > room {
			p.put("<p>%s: /status has all</p>\n", show.Count(len(st.Hooks)-i, "more hook"))
			break
		}
		_, _ = section.WriteTo(p)
		if h.LastRun != nil {
			ran--
		}
	}
	p.put("<footer>Shown at %s. <a href=\"status?pretty\">Status</a> <a href=\"metrics\">Metrics</a>", clock(now))
	if st.Withheld != "" {
		p.put(" Not shown: %s.", st.Withheld)
	}
	p.WriteString("</footer></body></html>\n")
	return p.Bytes()
}

func (p *pageWriter) head(st Status) {
	p.put("<h1>podhook <small>%s</small></h1>\n", st.Version)
	if st.NotReady != "" {
		p.put("<p class=\"failed\"><b>not ready</b>: %s</p>\n", show.Cut(st.NotReady, 500))
	} else {
		p.WriteString("<p class=\"succeeded\"><b>ready</b></p>\n")
	}
	if st.StopReason != "" && st.StopReason != state.StopUnknown {
		p.put("<p>why the container is stopped: %s</p>\n", string(st.StopReason))
	}
	if m := st.Main; m != nil {
		text := m.Error
		if text == "" {
			text = fmt.Sprintf("%s, PID %d", m.Name, m.PID)
		}
		p.put("<p>main process: %s (%s)</p>\n", strings.ReplaceAll(m.State, "_", " "), show.Cut(text, 500))
	}
	if st.Config.Refused != "" {
		p.put("<p class=\"failed\">The configuration is refused, the last good one is in force: %s</p>\n", show.Cut(st.Config.Refused, 500))
	}
}

// summary says in one line how each hook has ended.
func (p *pageWriter) summary(hooks []HookStatus) {
	p.fit(len(hooks), maxPage/8, func(p *pageWriter, n int) {
		p.WriteString("<nav aria-label=\"hooks\"><ul>")
		for _, h := range hooks[:n] {
			switch {
			case h.Error != "":
				p.put("<li><a href=\"#%s\">%s</a> <span class=\"failed\">error</span></li>", h.Name, h.Name)
			case h.LastRun == nil:
				p.put("<li><a href=\"#%s\">%s</a> <small>not run</small></li>", h.Name, h.Name)
			default:
				p.put("<li><a href=\"#%s\">%s</a> <span class=\"%s\">%s</span></li>", h.Name, h.Name, string(h.LastRun.Outcome), show.OutcomeWords(h.LastRun.Outcome))
			}
		}
		p.WriteString("</ul></nav>\n")
	})
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func percent(part float64) string { return fmt.Sprintf("%.2f%%", 100*part) }

// clock is a time that can be wrapped where the page is narrow.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
