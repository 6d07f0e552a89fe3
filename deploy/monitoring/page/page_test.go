package page

import (
	_ "embed"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/podhook/podhook/internal/testutil"
)

//go:embed measure.js
var measure string

// measured is the answer of measure.js.
type measured struct {
	Wrong            []string
	Least            float64
	Text, Background string
	Counts           struct{ Bars, Texts int }
}

// looks are all ways in which each page is looked at. The first has the outline that all
// others must have.
func looks() (all []look) {
	for _, width := range []int64{1440, 768, 360} {
		for _, dark := range []bool{false, true} {
			all = append(all, look{width, dark, true, token})
		}
	}
	return append(all, look{360, true, false, token}, look{1440, false, false, token})
}

// TestPages: on small and large screens, light and dark, with and without scripts, nothing
// of any page is cut off, lies over something else or is hard to read, nothing is loaded and
// no error is logged.
func TestPages(t *testing.T) {
	browser := startBrowser(t)
	for _, s := range scenes(t) {
		t.Run(s.name, func(t *testing.T) {
			url, tb := s.start(t), openTab(t, browser)
			isStrict(t, url)
			var first []string
			for i, l := range looks() {
				outline := s.check(t, tb, url, l)
				if i == 0 {
					first = outline
					isNavigable(t, outline)
				} else if !slices.Equal(outline, first) {
					t.Errorf("%v: a screen reader finds\n%s\nand in %v\n%s", l, strings.Join(outline, "\n"), looks()[0], strings.Join(first, "\n"))
				}
			}
			s.check(t, tb, url, look{768, false, true, ""})
		})
	}
}

// check looks at a page in one way, and returns its outline.
func (s scene) check(t *testing.T, tb *tab, url string, l look) []string {
	t.Helper()
	tb.show(url, l)
	m := tb.measure()
	for _, wrong := range m.Wrong {
		t.Errorf("%v: %s", l, wrong)
	}
	if want := map[bool]string{false: "rgb(255, 255, 255)", true: "rgb(17, 17, 17)"}[l.dark]; m.Background != want {
		t.Errorf("%v: the background is %s, want %s: the policy has refused the style", l, m.Background, want)
	}
	for _, text := range s.shows {
		if l.token != "" && !strings.Contains(m.Text, text) {
			t.Errorf("%v: no %q in\n%s", l, text, m.Text)
		}
	}
	for _, text := range s.hides {
		if l.token == "" && strings.Contains(m.Text, text) {
			t.Errorf("%v: without a token %q is in\n%s", l, text, m.Text)
		}
	}
	outline := tb.outline()
	if dir := os.Getenv("PAGE_PICTURES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, s.name+"-"+l.String()+".png"), tb.picture(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tb.isQuiet(url)
	return outline
}

func (tb *tab) measure() measured {
	tb.t.Helper()
	m, err := chromedp.Run(tb.ctx, chromedp.Evaluate[measured](measure))
	if err != nil {
		tb.t.Fatal(err)
	}
	return m
}

// isNavigable: one heading of the page, one of each hook, tables with headers, bars and links
// with names.
func isNavigable(t *testing.T, outline []string) {
	t.Helper()
	for _, role := range []string{"RootWebArea", "image", "link", "heading", "columnheader", "rowheader"} {
		if n := count(outline, role, ""); n > 0 {
			t.Errorf("%d of %s have no name", n, role)
		}
	}
	rows, bars := count(outline, "rowheader", ".+"), count(outline, "image", "N[.]N s to N[.]N s")
	if rows != bars {
		t.Errorf("%d steps, %d bars", rows, bars)
	}
	if count(outline, "heading", "podhook.*") != 1 || count(outline, "heading", "(prestart|shutdown|poststop).*") != 3 || count(outline, "navigation", "hooks") != 1 {
		t.Errorf("headings are missing in\n%s", strings.Join(outline, "\n"))
	}
	if n := count(outline, "table", ".*"); n > 0 && count(outline, "columnheader", ".+") != 3*n {
		t.Errorf("%d tables, headers are missing in\n%s", n, strings.Join(outline, "\n"))
	}
}

// TestPageIsReadAgain: while a hook runs, the page shows by itself what it waits for now.
func TestPageIsReadAgain(t *testing.T) {
	browser := startBrowser(t)
	free := filepath.Join(t.TempDir(), "free")
	s := scene{name: "live", calls: []string{"shutdown?wait=false"}, shows: []string{"Now: "},
		hooks: "hooks: {shutdown: {steps: [{name: lock, wait: {file: " + free + ", interval: 50ms}}]}}"}
	url, tb := s.start(t), openTab(t, browser)
	tb.show(url, look{width: 1440})
	reads := tb.reads()
	testutil.Eventually(t, "the page is read again", func() bool { return tb.reads() > reads })
	if err := os.WriteFile(free, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "it shows the end", func() bool {
		var title string
		for _, line := range tb.outline() {
			if role, name, _ := strings.Cut(line, " "); role == "RootWebArea" {
				title = name
			}
		}
		return title == `"podhook: not ready"`
	})
	tb.isQuiet(url)
}

// TestRefused: a browser without the right to output sees why, and no output.
func TestRefused(t *testing.T) {
	browser := startBrowser(t)
	s := scene{name: "refused", calls: []string{"prestart"}, hooks: `hooks: {prestart: {steps: [{exec: [sh, -c, "echo hunter2; exit 1"]}]}}`}
	for status, env := range map[int64]string{401: "PODHOOK_ALLOW_FROM=127.0.0.1", 403: "PODHOOK_ALLOW_FROM=192.0.2.1"} {
		s.env = []string{env}
		url, tb := s.start(t), openTab(t, browser)
		tb.show(url+"hooks/prestart/output", look{width: 360, script: true})
		if m := tb.measure(); tb.status != status || !strings.Contains(m.Text, `"error"`) || strings.Contains(m.Text, "hunter2") {
			t.Errorf("%d, want %d: %s", tb.status, status, m.Text)
		}
	}
}

var policy = regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$`)

// isStrict: nothing but the style of the page may be used, and the page is small.
func isStrict(t *testing.T, url string) {
	t.Helper()
	res, page := get(t, url, token, "Accept", "text/html")
	h := res.Header
	if !policy.MatchString(h.Get("Content-Security-Policy")) || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", h)
	}
	if len(page) > 20_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
}
