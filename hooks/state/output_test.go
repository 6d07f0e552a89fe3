package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

var testTime = time.Date(2030, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600))

func keptLine(step, stream, line string) string {
	return "2030-01-02T02:04:05.678Z " + step + " " + stream + " " + line + "\n"
}

func readOutput(t testing.TB, h *Hook) string {
	t.Helper()
	var b bytes.Buffer
	if err := h.ReadOutput(&b, AllLines); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func beginOutput(t testing.TB, h *Hook, runID string) (*Lock, *OutputWriter) {
	t.Helper()
	l := mustLock(t, h)
	t.Cleanup(func() { _ = l.Unlock() })
	w, err := l.Output(runID)
	if err != nil {
		t.Fatal(err)
	}
	return l, w
}

func mustLine(t testing.TB, w *OutputWriter, line string) {
	t.Helper()
	if err := w.WriteLine(testTime, "step", "stdout", []byte(line), 0); err != nil {
		t.Fatal(err)
	}
}

func TestOutputKeepsLinesAsTheyAre(t *testing.T) {
	h := testStore(t, Options{}).Hook("prestart")
	_, w := beginOutput(t, h, "r1")
	if got, _ := filepath.Glob(h.dir + "/output*"); len(got) != 0 {
		t.Errorf("files before the first line: %v", got)
	}
	binary := "\x00\x01\xff\r tab\t end "
	for _, l := range []struct{ step, stream, line string }{
		{"render", "stdout", binary},
		{"render", "stderr", ""},
		{"my step\n", "stdout", "x\n"},
	} {
		if err := w.WriteLine(testTime, l.step, l.stream, []byte(l.line), 0); err != nil {
			t.Fatal(err)
		}
	}
	want := keptLine("render", "stdout", binary) + keptLine("render", "stderr", "") + keptLine("my_step_", "stdout", "x")
	if got := readOutput(t, h); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	files, _ := filepath.Glob(h.dir + "/output*")
	if len(files) != 1 || mode(t, files[0]).Perm() != 0o600 {
		t.Errorf("files %v", files)
	}
}

var omitted = regexp.MustCompile(`(?m)^\[(\d+) bytes omitted\]\n`)

// checkBounded proves that got is the head and the tail of all, that the
// middle is counted, and that the files are within limit.
func checkBounded(t *testing.T, h *Hook, all string, limit int) {
	t.Helper()
	got := readOutput(t, h)
	var size int64
	files, _ := filepath.Glob(h.dir + "/output*")
	for _, f := range files {
		st, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += st.Size()
	}
	if size > int64(limit) || len(files) > 3 {
		t.Fatalf("%d bytes in %d files, want at most %d in 3", size, len(files), limit)
	}
	at := omitted.FindStringSubmatchIndex(got)
	if at == nil {
		if got != all {
			t.Fatalf("nothing omitted, but %d of %d bytes", len(got), len(all))
		}
		return
	}
	head, tail := got[:at[0]], got[at[1]:]
	n, _ := strconv.Atoi(got[at[2]:at[3]])
	if len(head)+n+len(tail) != len(all) {
		t.Fatalf("%d + %d omitted + %d is not %d", len(head), n, len(tail), len(all))
	}
	if !strings.HasPrefix(all, head) || !strings.HasSuffix(all, tail) {
		t.Fatal("not the head and the tail of what was written")
	}
	longest := limit / 4 // a whole line that did not fit may be missing
	if len(head) < limit/2-longest || len(tail) < limit/4-longest {
		t.Fatalf("head %d and tail %d of a limit of %d", len(head), len(tail), limit)
	}
}

func TestOutputIsBoundedHeadAndTail(t *testing.T) {
	for _, limit := range []int{minOutputLimit, 4096, DefaultOutputLimit} {
		h := testStore(t, Options{OutputLimit: limit}).Hook("prestart")
		_, w := beginOutput(t, h, "r1")
		var all strings.Builder
		for i := 0; all.Len() < 4*limit; i++ {
			line := fmt.Sprintf("%d %s", i, strings.Repeat("x", i*7%(limit/8)))
			mustLine(t, w, line)
			all.WriteString(keptLine("step", "stdout", line))
			if i%10 == 0 {
				checkBounded(t, h, all.String(), limit)
			}
		}
		checkBounded(t, h, all.String(), limit)
	}
}

func TestLongLineIsCut(t *testing.T) {
	h := testStore(t, Options{OutputLimit: 4096}).Hook("prestart")
	_, w := beginOutput(t, h, "r1")
	mustLine(t, w, strings.Repeat("y", 5000))
	got := readOutput(t, h)
	if len(got) > 1024 {
		t.Errorf("%d bytes kept of one line, want at most 1024", len(got))
	}
	var cut int
	i := strings.Index(got, "y [")
	if i < 0 {
		t.Fatalf("no note in %q", got)
	}
	if _, err := fmt.Sscanf(got[i:], "y [%d bytes cut]\n", &cut); err != nil {
		t.Fatalf("%v in %q", err, got[i:])
	}
	if kept := strings.Count(got, "y") - strings.Count("bytes", "y"); kept+cut != 5000 {
		t.Errorf("%d kept and %d cut are not 5000", kept, cut)
	}
}

func TestOutputLimitSettings(t *testing.T) {
	none := testStore(t, Options{OutputLimit: -1}).Hook("prestart")
	_, w := beginOutput(t, none, "r1")
	mustLine(t, w, "x")
	if files, _ := filepath.Glob(none.dir + "/output*"); len(files) != 0 {
		t.Errorf("kept without a limit: %v", files)
	}
	tiny := testStore(t, Options{OutputLimit: 1}).Hook("prestart")
	_, w = beginOutput(t, tiny, "r1")
	mustLine(t, w, "x")
	if got := readOutput(t, tiny); got != keptLine("step", "stdout", "x") {
		t.Errorf("got %q", got)
	}
}

func TestNewRunRemovesTheOldOutput(t *testing.T) {
	h := testStore(t, Options{OutputLimit: 2048}).Hook("prestart")
	l, w := beginOutput(t, h, "r1")
	for range 100 {
		mustLine(t, w, "old")
	}
	mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded})
	_ = l.Unlock()
	if got := readOutput(t, h); !strings.Contains(got, "old") {
		t.Fatalf("output after the run: %q", got)
	}
	l, w = beginOutput(t, h, "r2")
	mustWrite(t, l, Record{RunID: "r2", Outcome: Running})
	if got := readOutput(t, h); got != "" {
		t.Errorf("output of the new run: %q", got)
	}
	if files, _ := filepath.Glob(h.dir + "/output*"); len(files) != 0 {
		t.Errorf("old files: %v", files)
	}
	mustLine(t, w, "new")
	if got := readOutput(t, h); got != keptLine("step", "stdout", "new") {
		t.Errorf("output of the new run: %q", got)
	}
	for _, bad := range []string{"", "a.b", "../x", "a/b", strings.Repeat("a", 200)} {
		if _, err := l.Output(bad); err == nil {
			t.Errorf("run ID %q is accepted", bad)
		}
	}
}

func TestOutputOfManyGoroutines(t *testing.T) {
	h := testStore(t, Options{OutputLimit: 1 << 20}).Hook("prestart")
	_, w := beginOutput(t, h, "r1")
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 200 {
				mustLine(t, w, fmt.Sprintf("%d-%d", g, i))
			}
		})
	}
	all.Wait()
	got := strings.Split(strings.TrimSuffix(readOutput(t, h), "\n"), "\n")
	next := map[string]int{}
	for _, line := range got {
		text := strings.TrimPrefix(line, keptLine("step", "stdout", "")[:len(keptLine("step", "stdout", ""))-1])
		g, n, _ := strings.Cut(text, "-")
		if strconv.Itoa(next[g]) != n {
			t.Fatalf("line %q of writer %s out of order, want %d", line, g, next[g])
		}
		next[g]++
	}
	if len(got) != 1600 {
		t.Errorf("%d lines, want 1600", len(got))
	}
}

// childRun runs: a line for every line of its stdin.
func childRun(dir string) error {
	s, err := Open(Options{Dir: dir, OutputLimit: 4096})
	if err != nil {
		return err
	}
	l, err := s.Hook("prestart").Lock(context.Background())
	if err != nil {
		return err
	}
	w, err := l.Output("r1")
	if err != nil {
		return err
	}
	if err := l.Write(Record{RunID: "r1", Outcome: Running, PID: os.Getpid()}); err != nil {
		return err
	}
	fmt.Println("running")
	buf := make([]byte, 1024)
	for {
		n, err := os.Stdin.Read(buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		for _, line := range strings.Split(strings.TrimSpace(string(buf[:n])), "\n") {
			if err := w.WriteLine(testTime, "step", "stdout", []byte(line), 0); err != nil {
				return err
			}
		}
	}
	return errors.Join(l.Write(Record{RunID: "r1", Outcome: Succeeded}), l.Unlock())
}

// lockedBuffer may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestFollowUntilTheRunEnds(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	run := start(t, command(t.Context(), "run", s.Dir()))
	run.expect(t, "running")
	var got lockedBuffer
	done := make(chan error, 1)
	go func() { done <- h.FollowOutput(t.Context(), &got, AllLines) }()
	want := ""
	for i := range 5 {
		line := "line " + strconv.Itoa(i)
		fmt.Fprintln(run.in, line)
		want += keptLine("step", "stdout", line)
		testutil.Eventually(t, "the line is followed", func() bool { return got.String() == want })
	}
	select {
	case err := <-done:
		t.Fatalf("ended (%v) while the run goes on", err)
	default:
	}
	fmt.Fprintln(run.in, "last")
	run.in.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got.String() != want+keptLine("step", "stdout", "last") {
		t.Errorf("got %q", got.String())
	}
}

func TestFollowEndsWithAKilledRunAndWithItsContext(t *testing.T) {
	s := testStore(t, Options{})
	h := s.Hook("prestart")
	run := start(t, command(t.Context(), "run", s.Dir()))
	run.expect(t, "running")

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := h.FollowOutput(ctx, io.Discard, AllLines); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("FollowOutput: %v, want the context's error", err)
	}
	if took := time.Since(begin); took < 200*time.Millisecond || took > 5*time.Second {
		t.Errorf("took %v, want about 200ms", took)
	}
	done := make(chan error, 1)
	go func() { done <- h.FollowOutput(t.Context(), io.Discard, AllLines) }()
	run.kill()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a killed run is followed for ever")
	}
	if err := h.FollowOutput(t.Context(), io.Discard, AllLines); err != nil {
		t.Errorf("with no run: %v", err)
	}
	if err := s.Hook("never").FollowOutput(t.Context(), io.Discard, AllLines); err != nil {
		t.Errorf("with no state: %v", err)
	}
}

// A reader beside a writer that gives pieces up sees whole lines in order, and
// what it does not see it counts.
func TestReadersBesideAFastWriter(t *testing.T) {
	testutil.Slow(t)
	h := testStore(t, Options{OutputLimit: minOutputLimit}).Hook("prestart")
	l, w := beginOutput(t, h, "r1")
	mustWrite(t, l, Record{RunID: "r1", Outcome: Running})
	var followed lockedBuffer
	var all sync.WaitGroup
	all.Go(func() {
		if err := h.FollowOutput(t.Context(), &followed, AllLines); err != nil {
			t.Error(err)
		}
	})
	stop := make(chan struct{})
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				checkOrder(t, readOutput(t, h), false)
			}
		}
	})
	written := 0
	for i := range 20000 {
		mustLine(t, w, strconv.Itoa(i))
		written += len(keptLine("step", "stdout", strconv.Itoa(i)))
	}
	mustWrite(t, l, Record{RunID: "r1", Outcome: Succeeded})
	close(stop)
	all.Wait()
	total := checkOrder(t, followed.String(), true)
	if total != written {
		t.Errorf("followed and omitted %d bytes, written %d", total, written)
	}
}

// checkOrder proves that the numbers grow and returns the bytes that were seen
// or counted as omitted. The last line of a reader may be half there.
func checkOrder(t *testing.T, text string, whole bool) (total int) {
	t.Helper()
	last := -1
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if m := omitted.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			total += n
			continue
		}
		total += len(line)
		if line == "" || i == len(lines)-1 && !whole {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]))
		if err != nil || n <= last {
			t.Fatalf("line %q after %d", line, last)
		}
		last = n
	}
	return total
}

func TestParsePiece(t *testing.T) {
	for _, p := range []piece{{"r1", 0}, {"0-a-Z", 1 << 40}} {
		if got, ok := parsePiece(p.name()); !ok || got != p {
			t.Errorf("%q: %+v, %v", p.name(), got, ok)
		}
	}
	for _, name := range []string{"", "run.json", "output", "output.", "output.r1", "output.r1.", "output.r1.x", "output.r1.-1", "output..1", "output.r1.1.tmp", "output.r/1.1"} {
		if got, ok := parsePiece(name); ok {
			t.Errorf("%q is taken for %+v", name, got)
		}
	}
}
