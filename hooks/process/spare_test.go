package process_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/process"
	"github.com/podhook/podhook/internal/testutil"
)

// Neither a timed-out run's neighbours, nor what earlier ones left, may suffer.
func TestTimeoutSparesOthers(t *testing.T) {
	testutil.Slow(t)
	r := newReaper(t)
	dir := t.TempDir()
	left := func(name, script string) int {
		spec := shell(script, nil)
		spec.Env = append(spec.Env, "P="+dir+"/"+name)
		if got := mustRun(t, r, context.Background(), spec); got.ExitCode != 0 {
			t.Fatalf("%s: %+v", name, got)
		}
		return awaitPids(t, dir+"/"+name, 1)[0]
	}
	spared := map[string]int{
		"background":       left("a", "sleep 60 & echo $! >$P"),
		"quiet background": left("b", "sleep 60 >/dev/null 2>&1 & echo $! >$P"),
		"daemon":           left("c", "setsid sh -c 'echo $$ >$P; exec sleep 60' >/dev/null 2>&1 &"),
		"bare daemon":      left("d", "(env -i P=$P setsid sh -c 'echo $$ >$P; exec sleep 60' >/dev/null 2>&1 &); while [ ! -s $P ]; do sleep 0.01; done"),
		// Its later children are orphaned, without environment, in its session.
		"daemon's worker": 0,
	}
	forker := left("e", "(env -i P=$P D="+dir+" setsid sh -c 'echo $$ >$P; while [ ! -e $D/go ]; do sleep 0.01; done; "+
		"(sh -c \"echo \\$\\$ >$D/worker; exec sleep 60\" &); exec sleep 60' >/dev/null 2>&1 &); while [ ! -s $P ]; do sleep 0.01; done")

	var neighbour sync.WaitGroup
	neighbour.Go(func() {
		spec := shell("echo $$ >$P; (env -i setsid sleep 2 >/dev/null 2>&1 &); sleep 2; echo survived", nil)
		var l lines
		spec.OnLine = l.add
		spec.Env = append(spec.Env, "P="+dir+"/n")
		got, err := r.Run(context.Background(), spec)
		if err != nil || got.ExitCode != 0 || l.text() != "stdout: survived" {
			t.Errorf("neighbour: %+v, %v, %q", got, err, l.text())
		}
	})
	awaitPids(t, dir+"/n", 1)
	runFor(t, r, timeout, shell("setsid sleep 60 & sleep 60", nil)) // beside the neighbour
	neighbour.Wait()

	spec := shell("touch "+dir+"/go; sleep 60", nil)
	got := runFor(t, r, timeout, spec) // alone
	if got.Stopped != process.TimedOut {
		t.Errorf("%+v", got)
	}
	spared["daemon's worker"] = awaitPids(t, dir+"/worker", 1)[0]
	for name, pid := range spared {
		if !alive(pid) {
			t.Errorf("%s (%d) was killed", name, pid)
		}
		endAll(t, pid)
	}
	endAll(t, forker)
}

// Start times are counted in hundredths of a second: what one run left is not
// the next one's stray because both began in the same.
func TestTimeoutSparesADaemonOfTheSameTick(t *testing.T) {
	r := newReaper(t)
	dir := t.TempDir()
	for i := range 10 {
		file := dir + "/" + itoa(i)
		spec := shell("(env -i P=$P setsid sh -c 'echo $$ >$P; exec sleep 60' >/dev/null 2>&1 &); while [ ! -s $P ]; do :; done", nil)
		spec.Env = append(spec.Env, "P="+file)
		mustRun(t, r, context.Background(), spec)
		runFor(t, r, 20*time.Millisecond, shell("exec sleep 60", nil))
		pid := awaitPids(t, file, 1)[0]
		if !alive(pid) {
			t.Errorf("daemon %d was killed", i)
		}
		endAll(t, pid)
	}
}

// An orphan is told by its marks, also when a neighbour ended meanwhile.
func TestNeighboursEndDoesNotSaveAStray(t *testing.T) {
	r := newReaper(t)
	file := t.TempDir() + "/pid"
	var run sync.WaitGroup
	run.Go(func() {
		spec := shell("(setsid sh -c 'echo $$ >$P; exec sleep 60' >/dev/null 2>&1 &); sleep 60", nil)
		spec.Env = append(spec.Env, "P="+file)
		if got := runFor(t, r, timeout, spec); got.Stopped != process.TimedOut {
			t.Errorf("%+v", got)
		}
	})
	pid := awaitPids(t, file, 1)[0]
	mustRun(t, r, context.Background(), shell("true", nil))
	run.Wait()
	if alive(pid) {
		t.Errorf("process %d lives", pid)
		endAll(t, pid)
	}
}

// A failed run is over: what it left in the background is not podhook's to end.
func TestFailureLeavesTheBackgroundAlone(t *testing.T) {
	r := newReaper(t)
	file := t.TempDir() + "/pid"
	got := mustRun(t, r, context.Background(), shell("sleep 60 & echo $! >"+file+"; exit 1", nil))
	pid := awaitPids(t, file, 1)[0]
	if got.ExitCode != 1 || !alive(pid) {
		t.Errorf("%+v; the background process lives: %v", got, alive(pid))
	}
	endAll(t, pid)
}
