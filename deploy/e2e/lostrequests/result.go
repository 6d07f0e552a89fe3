package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podhook/podhook/deploy/e2e/lostrequests/answers"
	"github.com/podhook/podhook/deploy/e2e/lostrequests/load"
)

// result sums up all stops of one server in one way.
type result struct {
	Server  string `json:"server"`
	Variant string `json:"variant"`
	Podhook bool   `json:"podhook"`
	// Withdrawal is how long requests still came after the DELETE, in seconds.
	Withdrawal float64 `json:"withdrawal"`
	Stops      int     `json:"stops"`
	load.Count
	// ByKind are the same counts by the kind of request.
	ByKind map[string]load.Count `json:"byKind"`
	// Causes of what was lost.
	Causes map[string]int `json:"causes"`
	// Losses are set only for podhook, which must have none.
	Losses []loss `json:"losses,omitempty"`
	// SecondsToStop is from the DELETE to the end of the server.
	SecondsToStop seconds `json:"secondsToStop"`
	// ExitCodes counts the server's exit codes.
	ExitCodes map[int]int `json:"exitCodes"`
	// FailedHooks is how many hook calls kubelet would show as failed.
	FailedHooks int `json:"failedHooks"`
}

type seconds struct {
	Median float64 `json:"median"`
	Most   float64 `json:"most"`
}

// sums gathers cycles. Its methods may be called from any goroutine.
type sums struct {
	withdrawals []time.Duration

	mu   sync.Mutex
	all  map[string]*result // by server, variant and withdrawal
	took map[string][]float64
}

func newSums(withdrawals []time.Duration) *sums {
	return &sums{withdrawals: withdrawals, all: map[string]*result{}, took: map[string][]float64{}}
}

func (j job) key() string { return j.server.name + j.variant.name + j.withdrawal.String() }

func (s *sums) add(j job, c cycle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := j.key()
	r := s.all[key]
	if r == nil {
		r = &result{
			Server: j.server.name, Variant: j.variant.name, Podhook: j.variant.podhook, Withdrawal: j.withdrawal.Seconds(),
			ByKind: map[string]load.Count{}, Causes: map[string]int{}, ExitCodes: map[int]int{},
		}
		s.all[key] = r
	}
	r.Stops++
	r.FailedHooks += c.failedHooks
	r.ExitCodes[c.exit]++
	for kind, n := range c.counts {
		r.Add(n)
		sum := r.ByKind[kind]
		sum.Add(n)
		r.ByKind[kind] = sum
	}
	for _, l := range c.losses {
		r.Causes[l.Kind+": "+l.Cause]++
	}
	if r.Podhook {
		r.Losses = append(r.Losses, c.losses...)
	}
	s.took[key] = append(s.took[key], c.stop)
}

func (s *sums) results() []result {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []result
	for j := range all(s.withdrawals) {
		r := *s.all[j.key()]
		took := slices.Sorted(slices.Values(s.took[j.key()]))
		r.SecondsToStop = seconds{Median: took[len(took)/2], Most: took[len(took)-1]}
		list = append(list, r)
	}
	return list
}

// printTable prints the table of README.md: a row for each way to stop a server, in it the
// numbers by withdrawal.
func printTable(w io.Writer, withdrawals []time.Duration, results []result) {
	var after []string
	for _, d := range withdrawals {
		after = append(after, fmt.Sprintf("%g", d.Seconds()))
	}
	fmt.Fprintf(w, "Endpoints are withdrawn after %s s.\n\n", strings.Join(after, ", "))
	fmt.Fprintln(w, "| server | stopped by | stops | requests | lost per stop | seconds to stop (most) |")
	fmt.Fprintln(w, "| --- | --- | ---: | ---: | ---: | ---: |")
	for row := range slices.Chunk(results, len(withdrawals)) {
		var lost, took []string
		stops, sent := 0, 0
		for _, r := range row {
			stops += r.Stops
			sent += r.Sent
			lost = append(lost, fmt.Sprintf("%.1f", float64(r.Lost())/float64(r.Stops)))
			took = append(took, fmt.Sprintf("%.1f", r.SecondsToStop.Most))
		}
		fmt.Fprintf(w, "| %s | %s | %d | %d | %s | %s |\n", row[0].Server, row[0].Variant, stops, sent, strings.Join(lost, ", "), strings.Join(took, ", "))
	}
	fmt.Fprintln(w)
	for _, r := range results {
		if most := r.Withdrawal + answers.Longest.Seconds() + patience; r.Podhook && r.SecondsToStop.Most > most {
			fmt.Fprintf(w, "%s, %s: a stop took %.1f s, more than %.1f s\n", r.Server, r.Variant, r.SecondsToStop.Most, most)
		}
	}
}

// patience is how many seconds podhook may take beyond the withdrawal and the longest
// request.
const patience = 2

// judge returns an error if podhook has lost requests, or if the bare server has lost
// none, because then the load proves nothing.
func judge(results []result) error {
	var errs []error
	for _, r := range results {
		who := fmt.Sprintf("%s, %s, withdrawn after %g s", r.Server, r.Variant, r.Withdrawal)
		if r.Podhook && r.Lost() > 0 {
			errs = append(errs, fmt.Errorf("%s: lost %d of %d requests: %+v", who, r.Lost(), r.Sent, r.Losses))
		}
		if r.Variant == "bare" && r.Lost() == 0 {
			errs = append(errs, fmt.Errorf("%s: lost none of %d requests: the load is no test", who, r.Sent))
		}
	}
	return errors.Join(errs...)
}
