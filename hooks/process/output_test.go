package process_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/internal/testutil"
)

func TestLines(t *testing.T) {
	r := newReaper(t)
	long := strings.Repeat("x", process.MaxLine)
	for _, c := range []struct{ name, script, want string }{
		{"both streams", "echo a; sleep 0.05; echo b >&2", "stdout: a\nstderr: b"},
		{"no newline at the end", "printf 'a\\nb'", "stdout: a\nstdout: b"},
		{"empty lines", "printf '\\n\\na\\n'", "stdout: \nstdout: \nstdout: a"},
		{"binary", `printf 'a\000\377\r\nb\n'`, "stdout: a\x00\xff\r\nstdout: b"},
		{"in pieces", "printf a; sleep 0.02; printf b; sleep 0.02; echo c", "stdout: abc"},
		{"nothing", ":", ""},
		{"longest", "printf '%016384d\\nb\\n' 0 | tr 0 x", "stdout: " + long + "\nstdout: b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l lines
			mustRun(t, r, context.Background(), shell(c.script, &l))
			if l.text() != c.want {
				t.Errorf("got %.200q, want %.200q", l.text(), c.want)
			}
		})
	}
}

func TestLongLinesAreCutAndCounted(t *testing.T) {
	r := newReaper(t)
	for _, c := range []struct {
		script  string
		dropped int
	}{
		{"head -c 16385 /dev/zero; echo; echo after", 1},
		{"head -c 10485760 /dev/zero; echo; echo after", 10<<20 - process.MaxLine},
	} {
		var got []process.Line
		spec := shell(c.script, nil)
		spec.OnLine = func(line process.Line) {
			line.Text = bytes.Clone(line.Text)
			got = append(got, line)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		mustRun(t, r, context.Background(), spec)
		runtime.ReadMemStats(&after)
		if len(got) != 2 || len(got[0].Text) != process.MaxLine || got[0].Dropped != c.dropped {
			t.Fatalf("%s: %d lines, the first of %d bytes, %d dropped; want %d dropped",
				c.script, len(got), len(got[0].Text), got[0].Dropped, c.dropped)
		}
		if string(got[1].Text) != "after" || got[1].Dropped != 0 {
			t.Errorf("the line after: %q, dropped %d", got[1].Text, got[1].Dropped)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 { // under -race a sync.Pool forgets on purpose
			t.Errorf("%s: %d bytes allocated", c.script, grown)
		}
	}
}

func TestManyLinesInOrder(t *testing.T) {
	r := newReaper(t)
	next := 1
	spec := shell("seq 200000", nil)
	spec.OnLine = func(line process.Line) {
		if string(line.Text) != itoa(next) {
			t.Errorf("line %d is %q", next, line.Text)
		}
		next++
	}
	mustRun(t, r, context.Background(), spec)
	if next != 200001 {
		t.Errorf("%d lines, want 200000", next-1)
	}
}

// A leader that has ended, and a child that holds the pipe.
func TestBackgroundDoesNotHoldARunUp(t *testing.T) {
	r := newReaper(t)
	file := t.TempDir() + "/pid"
	var l lines
	began := time.Now()
	got := mustRun(t, r, context.Background(), shell("echo before; printf part; sleep 30 & echo $! >"+file, &l))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if !got.Background || got.ExitCode != 0 {
		t.Errorf("%+v, want Background and 0", got)
	}
	if l.text() != "stdout: before\nstdout: part" {
		t.Errorf("lines %q: those from before the leader's end must be there", l.text())
	}
	pid := awaitPids(t, file, 1)[0]
	if !alive(pid) {
		t.Error("the background process is dead")
	}
	endAll(t, pid)
	await(t, "draining has ended", func() bool { return r.Draining() == 0 })
}

// A background process lives, writes without SIGPIPE or blocking, and is heard.
func TestBackgroundGoesOnWriting(t *testing.T) {
	r := newReaper(t)
	dir := t.TempDir()
	var all lines
	// 200 kB are more than a pipe holds: a writer nobody reads from would block.
	script := "echo now; (while [ ! -e " + dir + "/go ]; do sleep 0.01; done; " +
		"seq 30000; echo $? >" + dir + "/status) & :"
	spec := shell(script, &all)
	if got := mustRun(t, r, context.Background(), spec); !got.Background {
		t.Errorf("%+v, want Background", got)
	}
	if n := r.Draining(); n != 1 {
		t.Errorf("%d are draining, want 1", n)
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.Drain(short); err != context.DeadlineExceeded {
		t.Errorf("Drain: %v while a writer is there", err)
	}
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.Drain(long); err != nil {
		t.Fatal(err)
	}
	if status, _ := os.ReadFile(dir + "/status"); string(status) != "0\n" {
		t.Errorf("the writer ended with %q", status)
	}
	if all.count() != 1+30000 || !strings.HasPrefix(all.text(), "stdout: now\n") {
		t.Errorf("%d lines, want 1 and then 30000", all.count())
	}
}

// What writes without end after the leader must not keep Run reading.
func TestEndlessBackgroundWriter(t *testing.T) {
	r := newReaper(t)
	file := t.TempDir() + "/pid"
	spec := shell("for i in 1 2 3 4; do yes & echo $! >>"+file+"; done; sleep 0.1", nil)
	count := 0
	spec.OnLine = func(process.Line) { // slower than they
		if count++; count%1000 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	began := time.Now()
	got := mustRun(t, r, context.Background(), spec)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if !got.Background {
		t.Error("Background is false")
	}
	endAll(t, awaitPids(t, file, 4)...)
	await(t, "draining has ended", func() bool { return r.Draining() == 0 })
}

// Endless output must not keep the deadline from being seen.
func TestEndlessOutputTimesOut(t *testing.T) {
	r := newReaper(t)
	began := time.Now()
	got := runFor(t, r, 200*time.Millisecond, shell("exec yes", nil))
	if took := time.Since(began); got.Stopped != process.TimedOut || took < 200*time.Millisecond || took > 5*time.Second {
		t.Errorf("%+v", got)
	}
}

// A program that closes its outputs, or moves them, still runs to its end.
func TestClosedOutputs(t *testing.T) {
	testutil.Slow(t)
	r := newReaper(t)
	var l lines
	began := time.Now()
	got := mustRun(t, r, context.Background(), shell("echo a; exec >&- 2>&-; sleep 0.2; exit 7", &l))
	if got.ExitCode != 7 || time.Since(began) < 200*time.Millisecond || l.text() != "stdout: a" {
		t.Errorf("%+v, %q", got, l.text())
	}
	before := cpuUsed(t)
	mustRun(t, r, context.Background(), shell("exec >&- 2>&-; sleep 1", nil))
	if used := cpuUsed(t) - before; used > 300*time.Millisecond {
		t.Errorf("%v of CPU while the program slept for 1 s", used)
	}
}

// Waiting costs nothing: for a program, for a quiet background process, and
// for nothing at all, also after a context has ended.
func TestIdleUsesNoCPU(t *testing.T) {
	testutil.Slow(t)
	r := newReaper(t)
	file := t.TempDir() + "/pid"
	ctx, cancel := context.WithCancel(context.Background())
	mustRun(t, r, ctx, shell("sleep 60 & echo $! >"+file, nil))
	cancel()
	before := cpuUsed(t)
	mustRun(t, r, context.Background(), shell("exec sleep 1", nil))
	if used := cpuUsed(t) - before; used > 200*time.Millisecond {
		t.Errorf("%v of CPU in 1 s", used)
	}
	endAll(t, awaitPids(t, file, 1)...)
}

// cpuUsed is user and system time of this process, without its children's.
func cpuUsed(t testing.TB) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// A slow reader slows the program down; nothing is lost, and memory is bounded.
func TestSlowOnLine(t *testing.T) {
	r := newReaper(t)
	count := 0
	spec := shell("seq 20000", nil)
	spec.OnLine = func(process.Line) {
		if count++; count%1000 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	began := time.Now()
	mustRun(t, r, context.Background(), spec)
	if took := time.Since(began); count != 20000 || took < 100*time.Millisecond {
		t.Errorf("%d lines in %v", count, took)
	}
}

// Lines of one run come from one goroutine at a time: -race sees this count.
func TestOnLineIsNotConcurrent(t *testing.T) {
	r := newReaper(t)
	count := 0
	// What is in the background when the leader ends writes whole lines: half a line would be
	// passed on at that moment.
	spec := shell("lines() { i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done; }; (lines; lines >&2) & seq 2000 >&2; seq 2000", nil)
	spec.OnLine = func(process.Line) { count++ }
	mustRun(t, r, context.Background(), spec)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if count != 8000 {
		t.Error(fmt.Sprint(count, " lines, want 8000"))
	}
}
