package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// token lets the calls force a run.
const token = "the-token-of-the-benchmarks"

// served is a process that answers over HTTP.
type served struct {
	cmd     *exec.Cmd
	address string
	dir     string // of its state
}

// environment of podhook with its state in dir, and these hooks.
func environment(dir, yaml string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "PODHOOK_STATE_DIR=" + filepath.Join(dir, "state"), "PODHOOK_CONFIG_YAML=" + yaml}
}

// startAgent starts an agent with its state below a directory.
func (b *bench) startAgent(below, yaml string) (*served, error) {
	dir, err := os.MkdirTemp(below, "podhook-bench.")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(b.podhook, "serve")
	cmd.Env = append(environment(dir, yaml), "PODHOOK_LISTEN="+address, "PODHOOK_TOKEN="+token)
	return start(cmd, address, dir)
}

// startFloor starts a small program that serves.
func startFloor(program string) (*served, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	return start(exec.Command(program, address), address, "")
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func start(cmd *exec.Cmd, address, dir string) (*served, error) {
	s := &served{cmd: cmd, address: address, dir: dir}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return s, c.Close()
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("%s does not answer: %w", cmd.Path, err)
		}
	}
}

func (s *served) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

func (s *served) get(path string) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-Podhook-Token", token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, response.Status, body)
	}
	return body, err
}

// fetch returns a measure of a GET.
func (s *served) fetch(path string) func() (time.Duration, error) {
	return timed(func() error { _, err := s.get(path); return err })
}

// idleAgent measures an agent that has answered one scrape, and then scrapes.
func (b *bench) idleAgent() ([]row, error) {
	own, err := b.startAgent("/dev/shm", smallHooks)
	if err != nil {
		return nil, err
	}
	defer own.stop()
	bare, err := startFloor(b.http)
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	client, err := startFloor(b.client)
	if err != nil {
		return nil, err
	}
	defer client.stop()
	all := []*served{own, bare, client}
	var memory []float64
	for _, s := range all {
		if _, err := s.get("/metrics"); err != nil {
			return nil, err
		}
	}
	time.Sleep(2 * time.Second) // until the work of the start is over
	for _, s := range all {
		memory = append(memory, anonymous(s.cmd.Process.Pid))
	}
	text, err := own.get("/metrics")
	if err != nil {
		return nil, err
	}
	took, err := inTurn(b.rounds, own.fetch("/metrics"), bare.fetch("/metrics"), client.fetch("/metrics"))
	if err != nil {
		return nil, err
	}
	names := []string{"a bare net/http server", "one with client_golang"}
	return []row{{
		Figure: "idle agent after one scrape, anonymous memory", Podhook: memory[0], Unit: "MB", Goal: new(1.5),
		Beside: others(names, func(n int) string { return fmt.Sprintf("%.2f MB", memory[n+1]) }),
	}, {
		Figure: "a scrape", Podhook: microseconds(took[0].median()), Unit: "us", Goal: new(200.0),
		Beside: others(names, func(n int) string { return inMicroseconds(microseconds(took[n+1].median())) }),
	}, {
		Figure: "text of a scrape", Podhook: float64(len(text)), Unit: "bytes", Goal: new(4000.0), Exact: true,
	}}, nil
}

// manyAgents measures idle agents at the same time.
func (b *bench) manyAgents() ([]row, error) {
	agents := make([]*served, 0, b.agents)
	defer func() {
		for _, s := range agents {
			s.stop()
		}
	}()
	for range b.agents {
		s, err := b.startAgent("/dev/shm", smallHooks)
		if err != nil {
			return nil, err
		}
		agents = append(agents, s)
	}
	used := func() (sum int) {
		for _, s := range agents {
			sum += ticks(s.cmd.Process.Pid)
		}
		return sum
	}
	time.Sleep(2 * time.Second) // until the work of the start is over
	before := used()
	time.Sleep(still)
	spent, pss := used()-before, 0
	for _, s := range agents {
		pss += kilobytes(s.cmd.Process.Pid, "Pss:")
	}
	name := fmt.Sprintf("%d idle agents", b.agents)
	return []row{
		{Figure: name + ", PSS of each", Podhook: float64(pss) * 1024 / 1e6 / float64(b.agents), Unit: "MB", Goal: new(1.5)},
		{Figure: name + ", share of a core together", Podhook: float64(spent) / still.Seconds(), Unit: "%", Goal: new(0.05)},
	}, nil
}
