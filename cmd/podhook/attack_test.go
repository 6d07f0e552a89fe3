package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

const (
	attackers  = 2000
	attackTime = 1500 * time.Millisecond
	// mostMemory is what podhook may have of its own under any attack, in kB.
	mostMemory = 24 << 10
	// kubeletTimeout and kubeletFailures are kubelet's defaults: timeoutSeconds and
	// failureThreshold of a probe.
	kubeletTimeout  = time.Second
	kubeletFailures = 3
)

// attack is what one connection does once. It returns when it is closed or ctx ends.
type attack func(ctx context.Context, conn net.Conn)

// hold reads until the connection is closed, or ctx ends.
func hold(_ context.Context, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// once sends a text and holds.
func once(text string) attack {
	return func(ctx context.Context, conn net.Conn) {
		_, _ = io.WriteString(conn, text) // it may be cut off
		hold(ctx, conn)
	}
}

// dripping sends a head in pieces and then one small piece after the other.
func dripping(begin, piece string) attack {
	return func(ctx context.Context, conn net.Conn) {
		_, err := io.WriteString(conn, begin)
		for err == nil && ctx.Err() == nil {
			_, err = io.WriteString(conn, piece)
			time.Sleep(100 * time.Millisecond) // the pace of the attack
		}
	}
}

// deaf sends request after request, and reads nothing.
func deaf(text string) attack {
	return func(ctx context.Context, conn net.Conn) {
		for ctx.Err() == nil {
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
	}
}

// manyHeaders are the most headers that fit into the limit.
var manyHeaders = func() string {
	var b strings.Builder
	for i := range 900 {
		b.WriteString(string(rune('a'+i%26)) + ":\r\n")
	}
	return b.String()
}()

func attacks() map[string]attack {
	get := func(path, headers string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n"
	}
	return map[string]attack{
		"idle":                once(""),
		"half a head":         once("GET /livez HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 3000)),
		"many headers":        dripping("GET /livez HTTP/1.1\r\nHost: a\r\n"+manyHeaders, "a:\r\n"),
		"slow body":           dripping("POST /hooks/wait HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n"+manyHeaders+"\r\n", "x"),
		"calls that wait":     once(get("/hooks/wait", manyHeaders)),
		"pipelined probes":    once(strings.Repeat(get("/livez", ""), 500)),
		"pipelined status":    deaf(strings.Repeat(get("/status?pretty", ""), 50)),
		"pipelined calls":     deaf(strings.Repeat(get("/hooks/quick", manyHeaders), 20)),
		"pipelined refusals":  deaf(strings.Repeat(get("/shutdown?force=true", "X-Podhook-Token: "+strings.Repeat("x", 2000)+"\r\n"), 20)),
		"headers too large":   deaf(get("/livez", "X: "+strings.Repeat("x", 64<<10)+"\r\n")),
		"nonsense":            once(strings.Repeat("\x16\x03\x01\xff", 5000)),
		"paths that are none": deaf(strings.Repeat(get("/"+strings.Repeat("%3C", 500), "User-Agent: kube-probe/1\r\n"), 20)),
	}
}

// TestAttack holds 2,000 connections of another address and asks as kubelet does all the
// while. `make attack` prints the table.
func TestAttack(t *testing.T) {
	testutil.Slow(t)
	for _, secure := range []bool{false, true} {
		env := []string{"PODHOOK_LISTEN=127.0.0.1:0"}
		if secure {
			env = append(env, "PODHOOK_TLS=self-signed")
		}
		s := newSandbox(t, "hooks: {quick: {steps: [{sleep: 1ms}]}, wait: {timeout: 20s, steps: [{sleep: 20s}]}}", env...)
		s.binary = plain
		agent, line := s.doors()
		v := &victim{t: t, address: attribute(t, line, "address"), secure: secure, pid: agent.cmd.Process.Pid}
		for name := range attacks() {
			v.endure(name)
		}
		if log := s.read("agent-log"); strings.Contains(log, "panic") || len(log) > 100<<10 {
			t.Errorf("the log has %d bytes: %s", len(log), shortened(log))
		}
	}
}

// victim is the agent under attack.
type victim struct {
	t       *testing.T
	address string
	secure  bool
	pid     int
}

// endure asks as kubelet does during an attack.
func (v *victim) endure(name string) {
	v.t.Helper()
	// Another process with less priority, for another machine: else the load of the attackers
	// would be measured.
	attacker := exec.Command("nice", "-n", "19", os.Args[0], "attack", name, "127.0.0.2", v.address, strconv.FormatBool(v.secure))
	attacker.Env = append(os.Environ(), childEnv+"=1")
	attacker.Stderr = os.Stderr
	if err := attacker.Start(); err != nil {
		v.t.Fatal(err)
	}
	var slowest time.Duration
	most, failures, asked := 0, 0, 0
	ended := make(chan error, 1)
	go func() { ended <- attacker.Wait() }()
	for attacked := true; attacked; {
		path := []string{"/livez", "/readyz", "/hooks/quick?wait=false"}[asked%3]
		asked++
		began := time.Now()
		if err := v.ask(path); err != nil {
			v.t.Logf("%s: %s: %v", name, path, err)
			if failures++; failures == kubeletFailures {
				v.t.Errorf("%s: kubelet would restart the container", name)
			}
		} else {
			failures = 0
		}
		slowest, most = max(slowest, time.Since(began)), max(most, anonymous(v.t, v.pid))
		select {
		case err := <-ended:
			if attacked = false; err != nil {
				v.t.Errorf("%s: the attackers: %v", name, err)
			}
		case <-time.After(20 * time.Millisecond): // between two probes
		}
	}
	v.t.Logf("%-20s tls=%-5v %3d asked, slowest answer %4d ms, most memory %5d kB", name, v.secure, asked, slowest.Milliseconds(), most)
	if most > mostMemory {
		v.t.Errorf("%s: podhook has %d kB of anonymous memory, %d are allowed", name, most, mostMemory)
	}
}

// attackFrom is the process of the attackers.
func attackFrom(name, from, address string, secure bool) int {
	do := attacks()[name]
	if do == nil {
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), attackTime)
	defer cancel()
	var all sync.WaitGroup
	for range attackers {
		all.Go(func() { again(ctx, from, address, secure, do) })
	}
	all.Wait()
	return 0
}

// again opens a connection again and again, as often as the bound of the load allows.
func again(ctx context.Context, from, address string, secure bool, do attack) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	for ctx.Err() == nil {
		raw, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
			conn := raw
			if secure {
				conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
			}
			do(ctx, conn)
			stop()
			_ = raw.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// ask sends a request as kubelet's prober does: on a connection of its own, within 1 s.
func (v *victim) ask(path string) error {
	scheme := "http"
	if v.secure {
		scheme = "https"
	}
	client := &http.Client{Timeout: kubeletTimeout, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Get(scheme + "://" + v.address + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	// prestart has no steps, so the agent is ready.
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusAccepted {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}

// anonymous is the memory that a process has of its own, in kB.
func anonymous(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal("the agent has died: ", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Anonymous:" {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no Anonymous: in smaps_rollup")
	return 0
}
