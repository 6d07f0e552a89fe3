package config

import (
	"slices"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	const grace, margin = 30 * time.Second, 2 * time.Second
	tests := []struct {
		name, yaml string
		want       []string
	}{
		{"within", "hooks:\n  shutdown:\n    steps:\n    - sleep: 5s\n    - {exec: [a], timeout: 20s}\n", nil},
		{"longer than the hook", "hooks:\n  shutdown:\n    steps:\n    - sleep: 5s\n    - {name: drain, exec: [a], timeout: 10s}\n    - {name: quit, exec: [b], timeout: 20s}\n",
			[]string{"f.yaml:2: hooks.shutdown: the worst case is longer than the hook may take: 5s sleep + 10s drain + 20s quit = 35s > hooks.shutdown.timeout 25s"}},
		{"one step", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - {name: b, exec: [b], timeout: 1m}\n",
			[]string{"f.yaml:2: hooks.a: the worst case is longer than the hook may take: 1m b > hooks.a.timeout 10s"}},
		{"sleep is not longer than its timeout", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - {sleep: 5s, timeout: 1m}\n", nil},
		{"no timeout of its own", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - {exec: [b]}\n", nil},
		{"nothing left for one", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - sleep: 10s\n    - exec: [b]\n",
			[]string{"f.yaml:2: hooks.a: can never succeed: 10s sleep, and hooks.a.timeout is 10s"}},
		{"longer than the grace period", "hooks:\n  shutdown:\n    timeout: 1h\n    steps:\n    - exec: [b]\n",
			[]string{"f.yaml:2: hooks.shutdown: longer than the grace period allows: hooks.shutdown.timeout 1h > 30s grace period - 2s margin - 2s to kill = 26s; the hook is cut to that"}},
		{"steps longer than the grace period", "hooks:\n  shutdown:\n    timeout: 1h\n    steps:\n    - sleep: 20s\n    - sleep: 10s\n",
			[]string{"f.yaml:2: hooks.shutdown: longer than the grace period allows: 20s sleep + 10s sleep-2 = 30s > 30s grace period - 2s margin = 28s; the hook is cut to that"}},
		{"killing in the grace period", "hooks:\n  shutdown:\n    timeout: 1h\n    steps:\n    - {exec: [b], timeout: 25s, killAfter: 4s}\n",
			[]string{"f.yaml:2: hooks.shutdown: longer than the grace period allows: 25s exec-b > 30s grace period - 2s margin - 4s to kill = 24s; the hook is cut to that"}},
		{"short steps in a long hook", "hooks:\n  shutdown:\n    timeout: 1h\n    steps:\n    - sleep: 20s\n", nil},
		{"retries", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - {name: r, exec: [b], timeout: 3s, retries: 3, backoff: 500ms}\n    - {sleep: 1s, name: s}\n",
			[]string{"f.yaml:2: hooks.a: the worst case is longer than the hook may take: 15.5s r (4 x 3s + 3.5s pauses) + 1s s = 16.5s > hooks.a.timeout 10s"}},
		{"retries of what does not wait", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - {name: r, remove: /x, retries: 4, backoff: 10s}\n",
			[]string{"f.yaml:2: hooks.a: the worst case is longer than the hook may take: 1m30s r (1m30s pauses) > hooks.a.timeout 10s"}},
		{"no pauses counted twice", "hooks:\n  a:\n    timeout: 13s\n    steps:\n    - {name: r, exec: [b], timeout: 4s, retries: 2, backoff: 300ms}\n", nil},
		{"a group takes as long as its longest step", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - name: g\n      parallel:\n      - {sleep: 9s}\n      - {name: e, exec: [b], timeout: 5s, retries: 1, backoff: 2s}\n      - {sleep: 8s}\n",
			[]string{"f.yaml:2: hooks.a: the worst case is longer than the hook may take: 12s g (the longest is 12s e (2 x 5s + 2s pauses)) > hooks.a.timeout 10s"}},
		{"a group within its own timeout", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - {timeout: 8s, parallel: [{exec: [b]}, {sleep: 7s}]}\n", nil},
		{"a sleep longer than its group", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - {timeout: 8s, parallel: [{sleep: 1s}, {sleep: 1m}]}\n",
			[]string{"f.yaml:5: hooks.a, step parallel: can never succeed: 1m sleep-2, and the timeout of the group is 8s"}},
		{"a group without one", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - sleep: 10s\n    - {parallel: [{exec: [b]}, {sleep: 1s}]}\n",
			[]string{"f.yaml:2: hooks.a: can never succeed: 10s sleep + 1s parallel = 11s, and hooks.a.timeout is 10s"}},
		{"what is always run counts", "hooks:\n  a:\n    timeout: 10s\n    steps:\n    - sleep: 6s\n    - {name: c, exec: [b], always: true}\n",
			[]string{"f.yaml:2: hooks.a: the worst case is longer than the hook may take: 6s sleep + 5s c = 11s > hooks.a.timeout 10s"}},
		{"prestart has its own time", "hooks:\n  prestart:\n    timeout: 1h\n    steps:\n    - exec: [b]\n", nil},
	}
	for _, tt := range tests {
		c, err := Parse("f.yaml", []byte(tt.yaml), nil)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		if got := lines(slices.Concat(c.Hopeless(), c.Check(grace, margin))); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, got, tt.want)
		}
	}
	empty, err := Parse("f.yaml", []byte("hooks: {}"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := empty.Check(time.Second, 0); len(got) != 0 {
		t.Errorf("hooks without steps: %v", lines(got))
	}
}

// TestWorstCase shows the sum for each way in which a step can take longer.
func TestWorstCase(t *testing.T) {
	tests := []struct {
		yaml string // the steps
		sum  time.Duration
		want string
	}{
		{"- {name: a, exec: [a], timeout: 5s, retries: 2, backoff: 500ms}", 16500 * time.Millisecond,
			"16.5s a (3 x 5s + 1.5s pauses)"},
		{"- {name: a, exec: [a], timeout: 1s, retries: 3}", 11 * time.Second, "11s a (4 x 1s + 7s pauses)"},
		{"- {name: a, exec: [a], timeout: 1s, retries: 7, backoff: 10s}", 188 * time.Second,
			"3m8s a (8 x 1s + 3m pauses)"}, // 10 + 20 + 5 x 30: capped
		{"- {name: a, exec: [a], timeout: 1s, retries: 2, backoff: 1m}", 123 * time.Second,
			"2m3s a (3 x 1s + 2m pauses)"}, // a longer one is not cut
		{"- {name: a, exec: [a], timeout: 5s, retries: 0}", 5 * time.Second, "5s a"},
		{"- {name: a, signal: HUP, retries: 2, backoff: 1s}", 3 * time.Second, "3s a (3s pauses)"},
		{"- {name: a, write: {file: /a}}", 0, ""},
		{"- {name: a, exec: [a], retries: 2}", 0, ", and a without a timeout"},
		{"- {name: g, parallel: [{name: a, sleep: 3s}, {name: b, exec: [b], timeout: 2s, retries: 1}]}", 5 * time.Second,
			"5s g (the longest is 5s b (2 x 2s + 1s pauses))"},
		{"- {name: g, timeout: 4s, parallel: [{name: a, sleep: 3s}, {name: b, exec: [b], timeout: 9s}]}", 4 * time.Second, "4s g"},
		{"- {name: g, timeout: 4s, parallel: [{name: a, exec: [a]}]}", 4 * time.Second, "4s g"},
		{"- {name: g, parallel: [{name: a, sleep: 3s}, {name: b, exec: [b]}]}", 0, ", and g without a timeout"},
		{"- {name: a, exec: [a], always: true}\n    - {name: b, sleep: 2s}", 7 * time.Second, "5s a + 2s b = 7s"},
		{"- {name: a, sleep: 1s}\n    - {name: b, exec: [b]}\n    - {name: c, scripts: /c.d, timeout: 2s, retries: 1}", 6 * time.Second,
			"1s a + 5s c (2 x 2s + 1s pauses) = 6s, and b without a timeout"},
	}
	for _, tt := range tests {
		c, err := Parse("f.yaml", []byte("hooks:\n  h:\n    steps:\n    "+tt.yaml+"\n"), nil)
		if err != nil {
			t.Fatal(tt.yaml, err)
		}
		worst := c.Hooks["h"].WorstCase()
		if worst.Sum != tt.sum || worst.String() != tt.want {
			t.Errorf("%s:\ngot  %v, %q\nwant %v, %q", tt.yaml, worst.Sum, worst, tt.sum, tt.want)
		}
	}
}

func TestPause(t *testing.T) {
	r := Retry{Times: 10, Backoff: 3 * time.Second}
	var got []time.Duration
	for attempt := 2; attempt <= 8; attempt++ {
		got = append(got, r.Pause(attempt)/time.Second)
	}
	if want := []time.Duration{3, 6, 12, 24, 30, 30, 30}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// A back-off that is longer than the cap is not cut.
	r.Backoff = time.Minute
	if r.Pause(2) != time.Minute || r.Pause(9) != time.Minute {
		t.Errorf("got %v, %v", r.Pause(2), r.Pause(9))
	}
}

// TestReserve: the reserve is for the later steps with always: true, and at most half of the
// hook's time.
func TestReserve(t *testing.T) {
	c, err := Parse("f.yaml", []byte("hooks:\n  a:\n    timeout: 20s\n    steps:\n    - {exec: [b], always: true, timeout: 3s}\n    - sleep: 1s\n    - {sleep: 2s, always: true}\n    - {exec: [c], always: true, timeout: 1m}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := c.Hooks["a"]
	for n, want := range []time.Duration{10 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second, 0} {
		if got := h.Reserve(n); got != want {
			t.Errorf("from step %d: %v, want %v", n, got, want)
		}
	}
	h.Steps[3].Timeout = time.Second
	for n, want := range []time.Duration{6, 3, 3, 1, 0} {
		if got := h.Reserve(n); got != want*time.Second {
			t.Errorf("from step %d: %v, want %vs", n, got, want)
		}
	}
}

func TestWorstCaseDoesNotOverflow(t *testing.T) {
	h := &Hook{Timeout: time.Hour}
	for range 2000 {
		h.Steps = append(h.Steps, &Step{Name: "a", Action: Exec{}, Timeout: maxDuration, Always: true, Retry: Retry{Times: maxRetries, Backoff: maxDuration}})
	}
	if w := h.WorstCase(); w.Sum < 100*365*24*time.Hour || h.Reserve(0) != time.Hour/2 {
		t.Errorf("%v, %v", w.Sum, h.Reserve(0))
	}
}
