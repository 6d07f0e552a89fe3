package main

import (
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// figures are measurements of one thing.
type figures []time.Duration

// at returns the value below which the given share of the figures lies.
func (f figures) at(share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(f))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

func (f figures) median() time.Duration { return f.at(0.5) }

// over returns the ratio of medians.
func (f figures) over(g figures) float64 { return float64(f.median()) / float64(g.median()) }

// inTurn measures each function once in each round, so that all see the same load.
func inTurn(rounds int, measures ...func() (time.Duration, error)) ([]figures, error) {
	all := make([]figures, len(measures))
	for range rounds {
		for n, measure := range measures {
			took, err := measure()
			if err != nil {
				return nil, err
			}
			all[n] = append(all[n], took)
		}
	}
	return all, nil
}

// wall returns a measure of the time from start to end of a command.
func wall(env []string, argv ...string) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = env
		began := time.Now()
		err := cmd.Run()
		took := time.Since(began)
		if err != nil {
			err = fmt.Errorf("%q: %w", argv, err)
		}
		return took, err
	}
}

// cpu returns a measure of the processor time of a command.
func cpu(argv ...string) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		cmd := exec.Command(argv[0], argv[1:]...)
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("%q: %w", argv, err)
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
	}
}

// timed measures a function that is called.
func timed(f func() error) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		began := time.Now()
		err := f()
		return time.Since(began), err
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }
func microseconds(d time.Duration) float64 { return float64(d) / 1e3 }
