package kubelet

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// fakeContainer says how a container of fakeRuntime behaves; times are those of
// a synctest bubble.
type fakeContainer struct {
	exitAfter time.Duration // by itself; 0 is never
	exitCode  int
	termTakes time.Duration // from SIGTERM to exit code 0
	ignores   bool          // SIGTERM
	// exec plays a program; nil exits with 0 at once.
	exec func(ctx context.Context, argv []string) (int, error)
}

type fakeRuntime struct {
	containers map[string]fakeContainer
	mu         sync.Mutex
	started    []string
}

func (r *fakeRuntime) Start(c Container, _ int) (Process, error) {
	r.mu.Lock()
	r.started = append(r.started, c.Name)
	r.mu.Unlock()
	p := &fakeProcess{is: r.containers[c.Name], dead: make(chan struct{})}
	p.ctx, p.kill = context.WithCancel(context.Background())
	if p.is.exitAfter > 0 {
		time.AfterFunc(p.is.exitAfter, func() { p.end(Exit{Code: p.is.exitCode}) })
	}
	return p, nil
}

type fakeProcess struct {
	is   fakeContainer
	ctx  context.Context
	kill context.CancelFunc
	once sync.Once
	dead chan struct{}
	exit Exit
}

func (p *fakeProcess) end(e Exit) {
	p.once.Do(func() {
		p.exit = e
		p.kill()
		close(p.dead)
	})
}

func (p *fakeProcess) Address() string { return "127.0.0.2" }

func (p *fakeProcess) Exec(ctx context.Context, argv []string, _ io.Writer) (int, error) {
	if p.ctx.Err() != nil {
		return 0, errors.New("container is not running")
	}
	if p.is.exec == nil {
		return 0, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	return p.is.exec(ctx, argv)
}

func (p *fakeProcess) Signal(syscall.Signal) error {
	if !p.is.ignores {
		time.AfterFunc(p.is.termTakes, func() { p.end(Exit{}) })
	}
	return nil
}

func (p *fakeProcess) Kill() error {
	p.end(Exit{Code: 137, Signal: syscall.SIGKILL})
	return nil
}

func (p *fakeProcess) Wait() Exit {
	<-p.dead
	return p.exit
}

// takes plays a program that runs for a time and exits with code. It ends with its
// container.
func takes(d time.Duration, code int) func(context.Context, []string) (int, error) {
	return func(ctx context.Context, _ []string) (int, error) {
		select {
		case <-time.After(d):
			return code, nil
		case <-ctx.Done():
			return 137, nil
		}
	}
}

const forEver = 1000 * time.Hour

// hook is a hook whose program is played by the fake container.
func hook() *Handler { return &Handler{Exec: []string{"hook"}} }

// play rehearses in a bubble of fake time.
func play(t *testing.T, pod Pod, s Scenario, containers map[string]fakeContainer, then func(Report)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if pod.RestartPolicy == "" {
			pod.RestartPolicy = RestartAlways
		}
		if s.DeleteAt == 0 {
			s.DeleteAt = 24 * time.Hour
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Hour)
		defer cancel()
		runtime := &fakeRuntime{containers: containers}
		then(Rehearse(ctx, pod, s, runtime, NewTimeline(nil)))
		synctest.Wait()
	})
}

// at returns the times of a timeline's entries in seconds, after the DELETE if
// sinceDelete is set.
func at(r Report, who, what string, sinceDelete bool) []float64 {
	var moments []float64
	for _, e := range r.Timeline {
		switch {
		case e.Who != who || e.What != what:
		case !sinceDelete:
			moments = append(moments, e.At)
		case e.SinceDelete != nil:
			moments = append(moments, *e.SinceDelete)
		}
	}
	return moments
}

// wantAt asserts moments, to a twentieth of a second: containers are signalled
// some milliseconds late.
func wantAt(t *testing.T, r Report, who, what string, sinceDelete bool, want ...float64) {
	t.Helper()
	got := at(r, who, what, sinceDelete)
	same := slices.EqualFunc(got, want, func(a, b float64) bool { return a > b-0.05 && a < b+0.05 })
	if !same {
		t.Errorf("%s %s at %v s, want %v", who, what, got, want)
	}
}

// reasons are the reasons of the events, in order.
func reasons(r Report) []string {
	var all []string
	for _, e := range r.Events {
		all = append(all, e.Reason)
	}
	return all
}

func wantReasons(t *testing.T, r Report, want ...string) {
	t.Helper()
	if got := reasons(r); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}
