package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/deploy/e2e/lostrequests/load"
	"github.com/podhook/podhook/hooks/state"
	"github.com/podhook/podhook/internal/testutil"
)

// TestNginxReloads: a ConfigMap is swapped 200 times below nginx, every tenth time with a
// mistake in it. nginx serves the last configuration in the end, and no request is lost.
func TestNginxReloads(t *testing.T) {
	testutil.Slow(t)
	program := testutil.NeedProgram(t, "nginx", "nginx")
	const swaps, pause = 200, 100 * time.Millisecond
	s := newSandbox(t, "")
	address := freeAddress(t)
	version := func(text string) {
		t.Helper()
		testutil.Project(t, s.path("etc/conf.d"), map[string]string{"site.conf": strings.NewReplacer("ADDRESS", address, "VERSION", text).Replace(`
server {
	listen ADDRESS;
	location / { return 200 "VERSION"; }
}
`)})
	}
	version("0")
	config := s.write("etc/nginx.conf", strings.ReplaceAll(`
daemon off;
pid DIR/nginx.pid;
error_log DIR/error.log;
events {}
http {
	access_log off;
	client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
	include DIR/etc/conf.d/*.conf;
}
`, "DIR", s.dir), 0o644)
	s.configure(strings.NewReplacer("NGINX", program, "DIR", s.dir).Replace(`
hooks:
  reload:
    watch: [DIR/etc]
    debounce: 20ms
    steps:
    - exec: [NGINX, -t, -q, -c, DIR/etc/nginx.conf]
    - signal: HUP
  shutdown: {steps: [{signal: QUIT}, {wait: {exit: main}}]}
`))
	s.env = append(s.env, "PODHOOK_CONFIG="+s.path("podhook.yaml"))
	nginx := s.start("run", "-s", "--", program, "-c", config)
	t.Cleanup(func() { // nginx, which writes its title over its environment, is not found by that
		if pid, err := strconv.Atoi(strings.TrimSpace(s.read("nginx.pid"))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
	})
	get := func() string { return bodyOf(http.DefaultClient, "http://"+address) }
	testutil.Eventually(t, "nginx serves", func() bool { return get() == "0" })

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	each := load.Start(ctx, address, 20*time.Second, []load.Kind{{Name: "each on its own connection", Path: "/", Every: 5 * time.Millisecond}})
	kept := startKept(ctx, "http://"+address)
	for n := 1; n <= swaps; n++ {
		version(map[bool]string{true: `broken";;; "`}[n%10 == 0 && n < swaps] + fmt.Sprint(n))
		time.Sleep(pause)
	}
	testutil.Eventually(t, "nginx serves the last configuration", func() bool { return get() == fmt.Sprint(swaps) })
	testutil.Eventually(t, "the last run has ended", func() bool { return s.record("reload").Outcome == state.Succeeded })
	stop()
	counts, losses := each.Wait()
	if len(losses) > 0 || counts["each on its own connection"].Sent < swaps {
		t.Errorf("%+v; lost: %v", counts, losses)
	}
	if lost, sent := kept.wait(); lost > 0 || sent < swaps {
		t.Errorf("of %d requests on connections that are kept %d were lost", sent, lost)
	}
	totals := s.record("reload").Totals
	t.Logf("%d requests; %v runs", counts["each on its own connection"].Sent, totals.Runs)
	if totals.Runs[state.Failed] == 0 || totals.Runs[state.Succeeded] < 10 {
		t.Errorf("runs: %v\n%s", totals.Runs, s.read("error.log"))
	}
	nginx.signal(t, syscall.SIGTERM)
	if e := nginx.wait(t); e.code != 0 {
		t.Error(e)
	}
}

// kept are clients that keep their connections. A request that finds its connection closed
// by the server before an answer begins is sent again on another one, as HTTP clients do
// (RFC 9110, 9.2.2): net/http does it for connections that have served a request before.
type kept struct {
	all        sync.WaitGroup
	sent, lost atomic.Int64
}

func startKept(ctx context.Context, url string) *kept {
	k := &kept{}
	for range 4 {
		k.all.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				k.sent.Add(1)
				if bodyOf(client, url) == "" {
					k.lost.Add(1)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return k
}

func (k *kept) wait() (lost, sent int64) {
	k.all.Wait()
	return k.lost.Load(), k.sent.Load()
}

// bodyOf is the body of an answer 200, or "".
func bodyOf(client *http.Client, url string) string {
	resp, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return string(body)
}
