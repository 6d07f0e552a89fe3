package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// manyAgents is the number of agents that densities measures.
const manyAgents = 100

// hooksYAML has a hook that runs the smallest program, and one without steps.
const hooksYAML = `{hooks: {true: {steps: [{exec: [/bin/true]}]}, nothing: {}}}`

// served is one `podhook serve` with a state directory of its own.
type served struct {
	cmd     *exec.Cmd
	address string
	dir     string
}

func startAgent(podhook string) (*served, error) {
	dir, err := os.MkdirTemp(shm(), "podhook-bench.")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	_ = listener.Close()
	s := &served{address: address, dir: dir, cmd: exec.Command(podhook, "serve")}
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PODHOOK_LISTEN=" + address,
		"PODHOOK_STATE_DIR=" + filepath.Join(dir, "state"), "PODHOOK_CONFIG_YAML=" + hooksYAML, "PODHOOK_TOKEN=" + token}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err = s.get("/livez"); err == nil {
			return s, nil
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("the agent does not answer: %w", err)
		}
	}
}

// shm returns a tmpfs if there is one. /run and an emptyDir of medium Memory are that too.
func shm() string {
	if _, err := os.Stat("/dev/shm"); err == nil {
		return "/dev/shm"
	}
	return ""
}

func (s *served) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

// token lets the calls force a run.
const token = "the-token-of-the-benchmarks"

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

// sizes prints the size of the binary.
func sizes(w io.Writer, podhook string, _ int) error {
	info, err := os.Stat(podhook)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "binary\tMB\tbudget\t\n%s\t%.2f\t10.40\t\n", "podhook", float64(info.Size())/1e6)
	return nil
}

// versions compares the CPU time of `podhook version` with that of an empty Go program.
func versions(w io.Writer, podhook string, rounds int) error {
	empty, err := buildEmpty()
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(empty))
	programs := [][]string{{empty}, {podhook, "version"}}
	all := make([]figures, len(programs))
	for range rounds {
		for n, argv := range programs {
			cmd := exec.Command(argv[0], argv[1:]...)
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("%s: %w", argv[0], err)
			}
			all[n] = append(all[n], cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		}
	}
	fmt.Fprintf(w, "CPU of a start\tmedian\tratio\tbudget\t\n")
	fmt.Fprintf(w, "empty Go program\t%v\t1.00\t\t\n", round(all[0].median()))
	fmt.Fprintf(w, "podhook version\t%v\t%.2f\t3.00\t\n", round(all[1].median()), float64(all[1].median())/float64(all[0].median()))
	return nil
}

func buildEmpty() (string, error) {
	dir, err := os.MkdirTemp("", "podhook-bench.")
	if err != nil {
		return "", err
	}
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "empty")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
}

// calls compares an HTTP call that runs /bin/true with a bare spawn of it.
func calls(w io.Writer, podhook string, rounds int) error {
	s, err := startAgent(podhook)
	if err != nil {
		return err
	}
	defer s.stop()
	var spawn, call, scrape figures
	var size int
	for range rounds {
		began := time.Now()
		if err := spawnTrue(); err != nil {
			return err
		}
		spawn = append(spawn, time.Since(began))
		began = time.Now()
		body, err := s.get("/hooks/true?force=true")
		if err != nil || !bytes.Contains(body, []byte("succeeded")) {
			return fmt.Errorf("hook true: %w: %s", err, body)
		}
		call = append(call, time.Since(began))
		began = time.Now()
		if body, err = s.get("/metrics"); err != nil {
			return err
		}
		scrape, size = append(scrape, time.Since(began)), len(body)
	}
	fmt.Fprintf(w, "HTTP\tmedian\tratio to a spawn\tbudget\t\n")
	fmt.Fprintf(w, "bare spawn of /bin/true\t%v\t1.00\t\t\n", round(spawn.median()))
	fmt.Fprintf(w, "call that runs it\t%v\t%.2f\t1.25\t\n", round(call.median()), float64(call.median())/float64(spawn.median()))
	fmt.Fprintf(w, "scrape, %d bytes\t%v\t%.2f\t0.2ms, 4000\t\n", size, round(scrape.median()), float64(scrape.median())/float64(spawn.median()))
	return nil
}

// spawnTrue runs /bin/true as cheaply as possible.
func spawnTrue() error {
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{})
	if err != nil {
		return err
	}
	_, err = syscall.Wait4(pid, nil, 0, nil)
	return err
}

// densities measures many idle agents at the same time.
func densities(w io.Writer, podhook string, _ int) error {
	const still = 10 * time.Second
	agents := make([]*served, 0, manyAgents)
	defer func() {
		for _, s := range agents {
			s.stop()
		}
	}()
	for range manyAgents {
		s, err := startAgent(podhook)
		if err != nil {
			return err
		}
		agents = append(agents, s)
	}
	time.Sleep(2 * time.Second) // until the work of the start is over
	before := allTicks(agents)
	time.Sleep(still)
	used := allTicks(agents) - before
	var anonymous, pss int
	for _, s := range agents {
		anonymous += kilobytes(s, "Anonymous:")
		pss += kilobytes(s, "Pss:")
	}
	fmt.Fprintf(w, "%d idle agents\teach\tbudget\t\n", manyAgents)
	fmt.Fprintf(w, "anonymous memory\t%.2f MB\t1.40 MB\t\n", float64(anonymous)*1024/manyAgents/1e6)
	fmt.Fprintf(w, "PSS\t%.2f MB\t1.40 MB\t\n", float64(pss)*1024/manyAgents/1e6)
	fmt.Fprintf(w, "CPU of all, of one core\t%.3f %%\t0.05 %%\t\n", 100*float64(used)/100/still.Seconds())
	return nil
}

// kilobytes returns a field of smaps_rollup.
func kilobytes(s *served, key string) int {
	n, _ := strconv.Atoi(field(s.cmd.Process.Pid, "smaps_rollup", key))
	return n
}

func allTicks(agents []*served) (sum int) {
	for _, s := range agents {
		sum += ticks(s.cmd.Process.Pid)
	}
	return sum
}
