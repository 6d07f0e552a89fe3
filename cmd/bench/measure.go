package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// figures are measurements of one thing.
type figures []time.Duration

// at returns the value below which the given share of the figures lies.
func (f figures) at(share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(f))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

func (f figures) median() time.Duration { return f.at(0.5) }

// starts compares `init -- true` with `true`, in turn, so that all see the same load.
func starts(w io.Writer, inits []initProgram, rounds int) error {
	programs := append([]initProgram{{name: "true alone"}}, inits...)
	all := make([]figures, len(programs))
	for range rounds {
		for n, p := range programs {
			argv := p.with("/bin/true")
			began := time.Now()
			if err := exec.Command(argv[0], argv[1:]...).Run(); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			all[n] = append(all[n], time.Since(began))
		}
	}
	alone := all[0].median()
	fmt.Fprintf(w, "start to end\tmedian\tover true\tratio to true\t\n")
	for n, p := range programs {
		m := all[n].median()
		fmt.Fprintf(w, "%s\t%v\t%v\t%.2f\t\n", p.name, round(m), round(m-alone), float64(m)/float64(alone))
	}
	return nil
}

// signals measures from kill(2) on the init to the return of the child's wait.
func signals(w io.Writer, inits []initProgram, rounds int) error {
	programs := append([]initProgram{{name: "no init"}}, inits...)
	all := make([]figures, len(programs))
	running := make([]*receiver, len(programs))
	for n, p := range programs {
		r, err := startReceiver(p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		running[n] = r
	}
	for range rounds * 5 {
		for n, p := range programs {
			// All processes sleep first, as in an idle container.
			time.Sleep(200 * time.Microsecond)
			took, err := running[n].ask(unix.SIGUSR1)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			all[n] = append(all[n], took)
		}
	}
	fmt.Fprintf(w, "signal to child\tmedian\t99 %%\tratio to tini\t\n")
	for n, p := range programs {
		if _, err := running[n].stop(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(w, "%s\t%v\t%v\t%s\t\n", p.name, round(all[n].median()), round(all[n].at(0.99)), ratio(programs, all, n))
	}
	return nil
}

// ratio returns the ratio to the median of tini, if tini is installed.
func ratio(programs []initProgram, all []figures, n int) string {
	for i, p := range programs {
		if p.name == "tini" {
			return strconv.FormatFloat(float64(all[n].median())/float64(all[i].median()), 'f', 2, 64)
		}
	}
	return "-"
}

// exits measures from the last act of the child to the end of the init.
func exits(w io.Writer, inits []initProgram, rounds int) error {
	programs := append([]initProgram{{name: "no init"}}, inits...)
	all := make([]figures, len(programs))
	for range rounds / 3 {
		for n, p := range programs {
			r, err := startReceiver(p)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			took, err := r.stop()
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			all[n] = append(all[n], took)
		}
	}
	fmt.Fprintf(w, "child's end to init's\tmedian\t99 %%\tratio to tini\t\n")
	for n, p := range programs {
		fmt.Fprintf(w, "%s\t%v\t%v\t%s\t\n", p.name, round(all[n].median()), round(all[n].at(0.99)), ratio(programs, all, n))
	}
	return nil
}

// idles measures all inits while they are idle for 10 s.
func idles(w io.Writer, inits []initProgram, _ int) error {
	const still = 10 * time.Second
	fmt.Fprintf(w, "idle\tanonymous kB\tthreads\twake-ups in %v\tCPU ticks\t\n", still)
	running := make([]*receiver, len(inits))
	for n, i := range inits {
		r, err := startReceiver(i)
		if err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
		running[n] = r
	}
	time.Sleep(time.Second) // until the work of the start is over, such as that of Go's scavenger
	before := make([]int, len(inits))
	for n := range inits {
		before[n] = switches(running[n].cmd.Process.Pid)
	}
	time.Sleep(still)
	for n, i := range inits {
		pid := running[n].cmd.Process.Pid
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t\n", i.name,
			field(pid, "smaps_rollup", "Anonymous:"), field(pid, "status", "Threads:"), switches(pid)-before[n], ticks(pid))
		if _, err := running[n].stop(); err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
	}
	return nil
}

// switches returns the number of voluntary context switches of all threads of pid.
func switches(pid int) int {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	sum := 0
	for _, t := range tasks {
		n, _ := strconv.Atoi(field(pid, "task/"+t.Name()+"/status", "voluntary_ctxt_switches:"))
		sum += n
	}
	return sum
}

// field returns the first word after a key in a file of /proc/PID.
func field(pid int, file, key string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			return strings.Fields(rest)[0]
		}
	}
	return "?"
}

// ticks returns the CPU time used so far, user and system, in clock ticks
// (proc_pid_stat(5)).
func ticks(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	after := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(after[11])
	system, _ := strconv.Atoi(after[12])
	return user + system
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Nanosecond) }
