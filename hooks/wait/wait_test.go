package wait

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// TestPace: looks come less and less often up to the interval, and not in step.
func TestPace(t *testing.T) {
	longest := map[time.Duration]bool{}
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			var at []time.Duration
			began := time.Now()
			look := Look(func(context.Context) Seen {
				at = append(at, time.Since(began))
				return Seen{Done: time.Since(began) > 20*time.Second, Text: fmt.Sprint(len(at))}
			})
			reports := 0
			last, err := look.Until(t.Context(), 2*time.Second, func(string) { reports++ })
			if err != nil || last != fmt.Sprint(len(at)) || reports != len(at)-1 {
				t.Fatalf("got %q, %v, %d reports of %d looks", last, err, reports, len(at))
			}
			if at[0] != 0 || at[1] > 20*time.Millisecond || len(at) < 10 || len(at) > 40 {
				t.Errorf("looked at %v", at)
			}
			for i := 1; i < len(at); i++ {
				pause := at[i] - at[i-1]
				if pause > 2*time.Second || i > 10 && pause < time.Second {
					t.Errorf("a pause of %v before look %d", pause, i)
				}
				longest[pause] = true
			}
		})
	}
	if len(longest) < 100 {
		t.Errorf("only %d different pauses: they are not random", len(longest))
	}
}

// TestEnds: of the context, of what is hopeless, and of a look that hangs.
func TestEnds(t *testing.T) {
	never := Look(func(context.Context) Seen { return Seen{Text: "not yet"} })
	hopeless := errors.New("hopeless")
	hangs := Look(func(ctx context.Context) Seen {
		<-ctx.Done()
		return Seen{Text: context.Cause(ctx).Error()}
	})
	for _, tt := range []struct {
		name string
		look Look
		took time.Duration
		last string
		err  error
	}{
		{"deadline", never, 7 * time.Second, "not yet", context.DeadlineExceeded},
		{"hopeless", func(context.Context) Seen { return Seen{Text: "no", Err: hopeless} }, 0, "no", hopeless},
		// Each look ends after 5s; what the last one saw was cut short.
		{"a look that hangs", hangs.within(lookTime), 7 * time.Second, "no answer within 5s", context.DeadlineExceeded},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()
			began := time.Now()
			last, err := tt.look.Until(ctx, DefaultInterval, func(string) {})
			if took := time.Since(began); last != tt.last || !errors.Is(err, tt.err) || took != tt.took {
				t.Errorf("%s: got %q, %v after %v", tt.name, last, err, took)
			}
		})
	}
}

// TestLastLook: what holds at the deadline counts; an interruption is one.
func TestLastLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		deadline, _ := ctx.Deadline()
		atEnd := Look(func(context.Context) Seen { return Seen{Done: !time.Now().Before(deadline), Text: "x"} })
		if last, err := atEnd.Until(ctx, 10*time.Second, func(string) {}); err != nil || last != "x" {
			t.Errorf("got %q, %v", last, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		look := Look(func(context.Context) Seen { return Seen{Done: ctx.Err() != nil} })
		if _, err := look.Until(ctx, 10*time.Second, func(string) {}); err != context.Canceled {
			t.Errorf("got %v", err)
		}
	})
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	is, gone := For(config.File{Path: path}), For(config.File{Path: path, Gone: true})
	expect := func(there bool) {
		t.Helper()
		if got := is(t.Context()); got.Done != there {
			t.Errorf("file: %+v", got)
		}
		if got := gone(t.Context()); got.Done == there {
			t.Errorf("gone: %+v", got)
		}
	}
	expect(false)
	os.WriteFile(path, nil, 0)
	expect(true)
	os.Remove(path)
	expect(false)
	// A path through a file is not "gone": something is wrong there.
	odd := For(config.File{Path: "/dev/null/x", Gone: true})(t.Context())
	if odd.Done || !strings.Contains(odd.Text, "not a directory") {
		t.Errorf("got %+v", odd)
	}
}

func TestTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	look := For(config.TCP{Address: listener.Addr().String()})
	if got := look(t.Context()); !got.Done {
		t.Errorf("got %+v", got)
	}
	listener.Close()
	if got := look(t.Context()); got.Done || !strings.Contains(got.Text, "connection refused") {
		t.Errorf("got %+v", got)
	}
}

func endpoint(url string) config.Endpoint {
	return config.Endpoint{URL: config.URL{Text: url, Request: url}}
}

func TestHTTP(t *testing.T) {
	var status atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(int(status.Load())) }))
	look := For(config.HTTPAnswer{HTTP: config.HTTP{Endpoint: endpoint(server.URL), Method: "GET", Status: []config.StatusRange{{From: 200, To: 204}, {From: 404, To: 404}}}})
	for code, done := range map[int32]bool{200: true, 204: true, 205: false, 404: true, 503: false} {
		status.Store(code)
		if got := look(t.Context()); got.Done != done || !strings.HasPrefix(got.Text, fmt.Sprintf("status %d", code)) {
			t.Errorf("%d: got %+v", code, got)
		}
	}
	server.Close()
	if got := look(t.Context()); got.Done || !strings.Contains(got.Text, "connection refused") {
		t.Errorf("got %+v", got)
	}
}

// TestHTTPBody: the body counts beside the status, and some answers end the wait.
func TestHTTPBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			w.WriteHeader(404)
		}
		fmt.Fprint(w, r.URL.Query().Get("say"))
	}))
	defer server.Close()
	for path, want := range map[string]Seen{
		"/?say=ready:+true":     {Done: true, Text: "status 200 OK, the body matches"},
		"/?say=ready:+false":    {Text: "status 200 OK, the body does not match"},
		"/gone?say=ready:+true": {Text: "status 404 Not Found", Err: errors.New("status 404 Not Found, which is in giveUp")},
	} {
		look := For(config.HTTPAnswer{
			HTTP: config.HTTP{Endpoint: endpoint(server.URL + path), Method: "GET", Status: config.AnySuccess()},
			Body: regexp.MustCompile("ready: *true"), GiveUp: []config.StatusRange{{From: 404, To: 404}},
		})
		if got := look(t.Context()); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
}

func TestMetric(t *testing.T) {
	var page atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := page.Load().(string)
		if text == "broken" {
			w.WriteHeader(500)
		}
		text, closed := strings.CutSuffix(text, "CLOSED") // ends with the connection
		if closed {
			w.Header().Set("Transfer-Encoding", "identity")
		}
		io.WriteString(w, text)
	}))
	number := func(n float64) *float64 { return &n }
	m := config.Metric{Endpoint: endpoint(server.URL), Name: "active", Labels: []config.Label{{Name: "l", Value: "a"}}}
	both := m
	both.AtLeast, both.AtMost = number(1), number(2)
	low := m
	low.AtMost = number(0)
	for _, tt := range []struct {
		m    config.Metric
		page string
		done bool
		text string
		err  bool
	}{
		{low, "active{l=\"a\"} 0\n", true, `active{l="a"} = 0`, false},
		{low, "active{l=\"a\",x=\"1\"} 2\nactive{l=\"a\",x=\"2\"} 1.5\nactive{l=\"b\"} 9\n", false, `active{l="a"} = 3.5`, false},
		{low, "active{l=\"a\"} -1\n", true, `active{l="a"} = -1`, false},
		{low, "active{l=\"a\"} NaN\n", false, `active{l="a"} = NaN`, false},
		{both, "active{l=\"a\"} 0\n", false, "= 0", false},
		{both, "active{l=\"a\"} 1\n", true, "= 1", false},
		{both, "active{l=\"a\"} 3\n", false, "= 3", false},
		// A failing exporter may come back, whatever goneIs says.
		{low, "broken", false, "status 500", false},
		{low, "active{l=\"a\"} 0", true, `active{l="a"} = 0`, false},
		{low, "active{l=\"a\"} 0\n# EOF", true, `active{l="a"} = 0`, false},
		{low, "active{l=\"a\"} 0\n# EOFCLOSED", true, `active{l="a"} = 0`, false},
		{low, "active{l=\"a\"} 0CLOSED", false, "the answer ends within a line", false},
		{low, "active{l=\"a\"} 0\nactCLOSED", false, "the answer ends within a line", false},
		{low, "other 1\nactive{l=\"b\"} 0\n", false, `none of 2 series matches active{l="a"}`, true},
		{both, "other 1\n", false, `none of 1 series matches active{l="a"}`, true},
	} {
		page.Store(tt.page)
		tt.m.Gone = config.GoneIsError
		if got := For(tt.m)(t.Context()); got.Done != tt.done || !strings.Contains(got.Text, tt.text) || (got.Err != nil) != tt.err {
			t.Errorf("%q: got %+v", tt.page, got)
		}
	}

	server.Close()
	page.Store("")
	for policy, want := range map[config.GonePolicy]Seen{
		config.GoneIsDone: {Done: true}, config.GoneIsNotYet: {}, config.GoneIsError: {Err: errors.New("")},
	} {
		low.Gone = policy
		for _, url := range []string{server.URL, "unix:" + t.TempDir() + "/gone"} {
			var err error
			if low.Endpoint.URL, err = config.ParseURL(url); err != nil {
				t.Fatal(err)
			}
			got := For(low)(t.Context())
			if got.Done != want.Done || (got.Err != nil) != (want.Err != nil) || got.Text == "" {
				t.Errorf("%s, %s: got %+v", policy, url, got)
			}
		}
		// A token that is missing says nothing about the target.
		low.Endpoint.Headers = []config.Header{{Name: "A", File: "/no/such/token"}}
		if got := For(low)(t.Context()); got.Done || got.Err != nil || !strings.Contains(got.Text, "/no/such/token") {
			t.Errorf("%s without its token: got %+v", policy, got)
		}
		low.Endpoint.Headers = nil
	}
}
