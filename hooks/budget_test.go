package hooks

import (
	"testing"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// hookOf parses a hook.
func hookOf(t *testing.T, name, text string) *config.Hook {
	t.Helper()
	cfg, err := config.Parse("test", []byte("hooks: {"+name+": "+text+"}"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Hooks[name]
}

func TestBudget(t *testing.T) {
	start := time.Now()
	const program = "steps: [{exec: ['true']}]" // killed after 2s
	for name, c := range map[string]struct {
		hook, text     string
		period, margin time.Duration
		stoppedFor     time.Duration // since the stop signal; -1 for none
		deadline, kill time.Duration
		cut            bool
	}{
		"prestart knows no grace period":     {"prestart", "{timeout: 40s, " + program + "}", 30 * time.Second, 2 * time.Second, -1, 40 * time.Second, 2 * time.Second, false},
		"shutdown within it":                 {"shutdown", "{timeout: 20s, " + program + "}", 30 * time.Second, 2 * time.Second, -1, 20 * time.Second, 2 * time.Second, false},
		"shutdown is cut, killing included":  {"shutdown", "{timeout: 50s, " + program + "}", 30 * time.Second, 2 * time.Second, -1, 26 * time.Second, 2 * time.Second, true},
		"nothing to kill, nothing kept":      {"shutdown", "{timeout: 50s, steps: [{sleep: 1s}]}", 30 * time.Second, 2 * time.Second, -1, 28 * time.Second, 0, true},
		"the stop signal has begun it":       {"shutdown", "{timeout: 25s, " + program + "}", 30 * time.Second, 2 * time.Second, 10 * time.Second, 16 * time.Second, 2 * time.Second, true},
		"killing gets half at most":          {"shutdown", "{timeout: 25s, " + program + "}", 3 * time.Second, time.Second, -1, time.Second, time.Second, true},
		"nothing is left":                    {"shutdown", "{timeout: 25s, " + program + "}", 3 * time.Second, time.Second, 5 * time.Second, -3 * time.Second, 0, true},
		"no grace period":                    {"shutdown", "{timeout: 50s, " + program + "}", 0, 0, -1, 50 * time.Second, 2 * time.Second, false},
		"other hooks know no grace period":   {"mine", "{timeout: 50s, " + program + "}", 3 * time.Second, time.Second, time.Second, 50 * time.Second, 2 * time.Second, false},
		"poststop before any stop signal":    {"poststop", "{timeout: 50s, " + program + "}", 30 * time.Second, 2 * time.Second, -1, 50 * time.Second, 2 * time.Second, false},
		"poststop has shutdown's margin too": {"poststop", "{timeout: 50s, " + program + "}", 30 * time.Second, 2 * time.Second, 28 * time.Second, 1500 * time.Millisecond, 250 * time.Millisecond, true},
	} {
		r := New(t.Context(), Options{Grace: Grace{Period: c.period, Margin: c.margin}})
		if c.stoppedFor >= 0 {
			r.BeginGrace(start.Add(-c.stoppedFor))
			r.BeginGrace(start) // a second stop signal gives no more time
		}
		b := r.budgetOf(hookOf(t, c.hook, c.text), start)
		if got := b.deadline.Sub(start); got != c.deadline || b.killAfter != c.kill || b.cut != c.cut {
			t.Errorf("%s: deadline after %v, killAfter %v, cut %v; want %v, %v, %v", name, got, b.killAfter, b.cut, c.deadline, c.kill, c.cut)
		}
	}
}
