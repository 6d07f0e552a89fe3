package hooks

import (
	"errors"
	"fmt"
	"testing"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

func TestJudge(t *testing.T) {
	outcome := func(o state.Outcome) Result { return Result{Record: state.Record{Outcome: o}} }
	for name, c := range map[string]struct {
		result Result
		err    error
		want   Verdict
	}{
		"succeeded":   {outcome(state.Succeeded), nil, Verdict{0, 200}},
		"failed":      {outcome(state.Failed), nil, Verdict{1, 500}},
		"timed out":   {outcome(state.TimedOut), nil, Verdict{124, 504}},
		"interrupted": {outcome(state.Interrupted), nil, Verdict{143, 503}},
		// A record without an outcome is not a success.
		"nothing":      {Result{}, nil, Verdict{1, 500}},
		"running":      {outcome(state.Running), nil, Verdict{1, 500}},
		"unknown hook": {Result{}, &UnknownHookError{Name: "x"}, Verdict{2, 404}},
		"broken":       {Result{}, &config.Errors{Problems: []config.Problem{{Msg: "x"}}}, Verdict{2, 500}},
		"not recorded": {Result{}, &NotRecordedError{Err: errors.New("full")}, Verdict{2, 500}},
		"cycle":        {Result{}, &CycleError{Hooks: []string{"x", "x"}}, Verdict{2, 500}},
		"stuck":        {Result{}, &StuckError{Hook: "x"}, Verdict{124, 504}},
		"other error":  {Result{}, errors.New("x"), Verdict{1, 500}},
		// An error counts more than the result.
		"error and success": {outcome(state.Succeeded), errors.New("x"), Verdict{1, 500}},
	} {
		if got := Judge(c.result, c.err); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if c.err == nil {
			continue
		}
		if got := Judge(c.result, fmt.Errorf("wrapped: %w", c.err)); got != c.want {
			t.Errorf("%s, wrapped: %+v, want %+v", name, got, c.want)
		}
	}
}
