package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const noTini = "tini is not installed"

// versions compares the start of podhook with that of an empty Go program.
func (b *bench) versions() ([]row, error) {
	all, err := inTurn(b.rounds, cpu(b.empty), cpu(b.podhook, "version"))
	if err != nil {
		return nil, err
	}
	return []row{{
		Figure: "podhook version, processor time over an empty Go program's", Podhook: all[1].over(all[0]), Unit: "x", Goal: new(3.0),
		Beside: fmt.Sprintf("the empty program %.1f ms", milliseconds(all[0].median())),
	}}, nil
}

// starts compares `init -- true` with `true`.
func (b *bench) starts() ([]row, error) {
	measures := []func() (time.Duration, error){wall(nil, "/bin/true")}
	for _, i := range b.inits {
		measures = append(measures, wall(nil, i.with("/bin/true")...))
	}
	all, err := inTurn(b.rounds, measures...)
	if err != nil {
		return nil, err
	}
	more := func(n int) float64 { return milliseconds(all[n+1].median() - all[0].median()) }
	r := row{Figure: "run -- true, time over true's, in tini's", Unit: "x", Goal: new(2.5)}
	return []row{b.besideTini(r, more, func(v float64) string { return fmt.Sprintf("%.2f ms", v) })}, nil
}

// besideTini fills a row with the ratio of podhook's figure to tini's.
func (b *bench) besideTini(r row, value func(init int) float64, text func(float64) string) row {
	r.Missing = noTini
	var names []string
	for n, i := range b.inits {
		names = append(names, i.name)
		if i.name == "tini" {
			r.Podhook, r.Missing = value(0)/value(n), ""
		}
	}
	r.Beside = others(names, func(n int) string { return text(value(n)) })
	return r
}

// signals measures from kill(2) on the init to the return of the child's wait.
func (b *bench) signals() ([]row, error) {
	running := make([]*receiver, len(b.inits))
	var measures []func() (time.Duration, error)
	for n, i := range b.inits {
		r, err := startReceiver(i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.name, err)
		}
		running[n] = r
		measures = append(measures, func() (time.Duration, error) {
			time.Sleep(200 * time.Microsecond) // all processes sleep first, as in an idle container
			return r.ask(unix.SIGUSR1)
		})
	}
	all, err := inTurn(b.rounds*5, measures...)
	if err != nil {
		return nil, err
	}
	for _, r := range running {
		if _, err := r.stop(); err != nil {
			return nil, err
		}
	}
	return []row{b.besideTini(row{Figure: "a signal to the child, in tini's", Unit: "x", Goal: new(1.4)},
		func(n int) float64 { return microseconds(all[n].median()) }, inMicroseconds)}, nil
}

func inMicroseconds(v float64) string { return fmt.Sprintf("%.0f us", v) }

// exits measures from the last act of the child to the end of the init.
func (b *bench) exits() ([]row, error) {
	var measures []func() (time.Duration, error)
	for _, i := range b.inits {
		measures = append(measures, func() (time.Duration, error) {
			r, err := startReceiver(i)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", i.name, err)
			}
			return r.stop()
		})
	}
	all, err := inTurn(max(b.rounds/3, 3), measures...)
	if err != nil {
		return nil, err
	}
	return []row{b.besideTini(row{Figure: "the child's end to the init's, in tini's", Unit: "x", Goal: new(1.5)},
		func(n int) float64 { return microseconds(all[n].median()) }, inMicroseconds)}, nil
}

// still is how long idle processes are watched.
const still = 10 * time.Second

// idleInits measures all inits while they are idle.
func (b *bench) idleInits() ([]row, error) {
	running := make([]*receiver, len(b.inits))
	var names []string
	for n, i := range b.inits {
		r, err := startReceiver(i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.name, err)
		}
		running[n], names = r, append(names, i.name)
	}
	time.Sleep(time.Second) // until the work of the start is over, such as that of Go's scavenger
	before := make([]int, len(running))
	for n, r := range running {
		before[n] = switches(r.cmd.Process.Pid)
	}
	time.Sleep(still)
	woken := func(n int) int { return switches(running[n].cmd.Process.Pid) - before[n] }
	memory := func(n int) float64 { return anonymous(running[n].cmd.Process.Pid) }
	rows := []row{{
		Figure: "idle run without a listener, anonymous memory", Podhook: memory(0), Unit: "MB", Goal: new(1.0),
		Beside: others(names[1:], func(n int) string { return fmt.Sprintf("%.2f MB", memory(n+1)) }),
	}, {
		Figure: "idle run, wake-ups in 10 s", Podhook: float64(woken(0)), Goal: new(0.0),
		Beside: others(names[1:], func(n int) string { return strconv.Itoa(woken(n + 1)) }),
	}}
	for _, r := range running {
		if _, err := r.stop(); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// anonymous is the memory of a process that is its own, in MB of a million bytes.
func anonymous(pid int) float64 { return float64(kilobytes(pid, "Anonymous:")) * 1024 / 1e6 }

// kilobytes returns a field of smaps_rollup.
func kilobytes(pid int, key string) int {
	n, _ := strconv.Atoi(field(pid, "smaps_rollup", key))
	return n
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
