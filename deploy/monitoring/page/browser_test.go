package page

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/podhook/podhook/internal/testutil"
)

// patience bounds what one page takes, with room for a slow machine.
const patience = 60 * time.Second

// startBrowser starts a Chromium that ends with the test.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(testutil.NeedProgram(t, "chromium", "chromium")),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // Chromium starts its sandbox for no root
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, _ = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := chromedp.Cancel(limited); err != nil {
			t.Errorf("chromium ends: %v", err)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return ctx
}

// look is how a page is looked at.
type look struct {
	width        int64
	dark, script bool
	token        string
}

func (l look) String() string {
	name := fmt.Sprint(l.width, "-", l.scheme())
	if !l.script {
		name += "-noscript"
	}
	if l.token == "" {
		name += "-public"
	}
	return name
}

func (l look) scheme() string {
	if l.dark {
		return "dark"
	}
	return "light"
}

// tab is a page in the browser, and what went on in it.
type tab struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex
	requests []string
	errors   []string
	status   int64
}

// openTab opens a tab, which is closed with the test.
func openTab(t *testing.T, browser context.Context) *tab {
	t.Helper()
	tb := &tab{t: t}
	ctx, cancel := context.WithTimeout(browser, 2*patience)
	t.Cleanup(cancel)
	ctx, closeTab := chromedp.NewContext(ctx, chromedp.WithListener(tb.note))
	t.Cleanup(closeTab)
	tb.ctx = ctx
	call(tb, log.Enable, cdp.Empty{})
	call(tb, network.Enable, network.EnableParams{})
	return tb
}

// show shows a page.
func (tb *tab) show(url string, l look) {
	tb.t.Helper()
	headers := network.Headers{}
	if l.token != "" {
		headers["X-Podhook-Token"] = l.token
	}
	call(tb, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: headers})
	call(tb, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: 800, DeviceScaleFactor: 1, Mobile: l.width < 500})
	call(tb, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme()}}})
	call(tb, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !l.script})
	if err := chromedp.Do(tb.ctx, chromedp.Navigate(url)); err != nil {
		tb.t.Fatalf("%s: %v", url, err)
	}
}

// call runs a command of the DevTools protocol.
func call[P, R any](tb *tab, command cdp.Command[P, R], params P) R {
	tb.t.Helper()
	result, err := chromedp.Call(tb.ctx, command, params)
	if err != nil {
		tb.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// note keeps what a page must not do.
func (tb *tab) note(event any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		tb.requests = append(tb.requests, e.Request.URL)
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			tb.status = e.Response.Status
		}
	case *network.EventLoadingFailed:
		tb.errors = append(tb.errors, "a request failed: "+e.ErrorText)
	case *log.EventEntryAdded:
		tb.errors = append(tb.errors, e.Entry.Text)
	case *runtime.EventExceptionThrown:
		tb.errors = append(tb.errors, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		tb.errors = append(tb.errors, "a script calls the console")
	case *cdppage.EventJavascriptDialogOpening:
		tb.errors = append(tb.errors, "a script opens a dialog: "+e.Message)
	}
}

// isQuiet fails if anything went wrong, or if the page has asked for more than itself.
func (tb *tab) isQuiet(url string) {
	tb.t.Helper()
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, e := range tb.errors {
		tb.t.Error(e)
	}
	for _, r := range tb.requests {
		if r != url {
			tb.t.Errorf("the page asks for %s", r)
		}
	}
	if tb.status != http.StatusOK || len(tb.requests) == 0 {
		tb.t.Errorf("status %d after %d requests", tb.status, len(tb.requests))
	}
}

// reads is how often the page was asked for.
func (tb *tab) reads() int {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return len(tb.requests)
}

// picture is the whole page as a PNG.
func (tb *tab) picture() []byte {
	tb.t.Helper()
	beyond := true
	return call(tb, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{CaptureBeyondViewport: &beyond}).Data
}
