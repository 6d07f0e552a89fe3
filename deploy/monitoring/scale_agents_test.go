package monitoring

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// crowd are agents that are all alike.
type crowd struct {
	t       *testing.T
	dir     string
	members []*child
	targets []target
}

func startCrowd(ctx context.Context, t *testing.T, n int, gateway string) *crowd {
	t.Helper()
	c := &crowd{t: t, dir: t.TempDir()}
	defer t.Cleanup(c.end) // at once, before each is ended by itself
	for i := range n {
		if ctx.Err() != nil {
			t.Fatal("interrupted")
		}
		m := member{pod: fmt.Sprint("web-", i), hooks: scaleHooks, env: []string{"PODHOOK_PUSHGATEWAY=" + gateway, "PODHOOK_PUSH_GROUP=namespace=shop,app=web"}}
		own := filepath.Join(c.dir, m.pod)
		if err := os.Mkdir(own, 0o755); err != nil {
			t.Fatal(err)
		}
		started, at := m.serve(t, own)
		c.members, c.targets = append(c.members, started), append(c.targets, at)
	}
	return c
}

// every does something for each agent, eight at a time.
func (c *crowd) every(do func(i int)) {
	var all sync.WaitGroup
	room := make(chan struct{}, 8)
	for i := range c.members {
		room <- struct{}{}
		all.Go(func() { do(i); <-room })
	}
	all.Wait()
}

// call calls a path of each agent, as somebody who reads the answer.
func (c *crowd) call(path string) {
	c.every(func(i int) { call(c.t.Context(), c.targets[i].Targets[0], path) })
}

// each is the mean of what is found in the answers of all.
func (c *crowd) each(path string, find func(body string) float64) float64 {
	return c.total(func(i int) float64 { return find(call(c.t.Context(), c.targets[i].Targets[0], path)) }) / float64(len(c.members))
}

func (c *crowd) total(of func(i int) float64) (sum float64) {
	var mu sync.Mutex
	c.every(func(i int) {
		v := of(i)
		mu.Lock()
		defer mu.Unlock()
		sum += v
	})
	return sum
}

// memory is a field of proc_pid_smaps_rollup(5) of all agents, in kB.
func (c *crowd) memory(field string) float64 {
	return c.total(func(i int) float64 {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.members[i].cmd.Process.Pid))
		_, rest, _ := strings.Cut(string(text), "\n"+field)
		kB, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		v, _ := strconv.ParseFloat(kB, 64)
		return v
	})
}

// cpu is the time for which all agents have run, in seconds. The clock of schedstat has
// nanoseconds, that of stat 10 ms.
func (c *crowd) cpu() float64 {
	return c.total(func(i int) (seconds float64) {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.members[i].cmd.Process.Pid))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			ran, _, _ := strings.Cut(string(text), " ")
			v, _ := strconv.ParseFloat(ran, 64)
			seconds += v / 1e9
		}
		return seconds
	})
}

// end ends all agents as kubelet does.
func (c *crowd) end() {
	for _, m := range c.members {
		m.signal(syscall.SIGTERM)
	}
	for _, m := range c.members {
		testutil.Eventually(c.t, "the agent ends", m.ended)
	}
}

func (c *crowd) logged(find func(text string) float64) float64 {
	return c.total(func(i int) float64 {
		text, _ := os.ReadFile(filepath.Join(c.dir, fmt.Sprint("web-", i), "log"))
		return find(string(text))
	})
}

// receiver counts what is sent to it. It stands for a Pushgateway or an API server.
type receiver struct {
	mu      sync.Mutex
	methods map[string]int
	size    int64
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	n, _ := io.Copy(io.Discard, req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.methods == nil {
		r.methods = map[string]int{}
	}
	r.methods[req.Method]++
	r.size += n
}

func (r *receiver) count(method string) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return float64(r.methods[method])
}

func (r *receiver) bytes() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return float64(r.size)
}
