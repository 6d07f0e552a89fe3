package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/podhook/podhook/deploy/e2e/lostrequests/load"
)

// result sums up all stops of one server in one way.
type result struct {
	Server  string `json:"server"`
	Variant string `json:"variant"`
	Podhook bool   `json:"podhook"`
	Stops   int    `json:"stops"`
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
	mu   sync.Mutex
	all  map[string]*result // by server and variant
	took map[string][]float64
}

func newSums() *sums { return &sums{all: map[string]*result{}, took: map[string][]float64{}} }

func (s *sums) add(j job, c cycle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := j.server.name + j.variant.name
	r := s.all[key]
	if r == nil {
		r = &result{
			Server: j.server.name, Variant: j.variant.name, Podhook: j.variant.podhook,
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
	var all []result
	for _, server := range servers() {
		for _, v := range variants() {
			key := server.name + v.name
			r := *s.all[key]
			took := slices.Sorted(slices.Values(s.took[key]))
			r.SecondsToStop = seconds{Median: took[len(took)/2], Most: took[len(took)-1]}
			all = append(all, r)
		}
	}
	return all
}

// printTable prints the table of README.md.
func printTable(w io.Writer, results []result) {
	fmt.Fprintln(w, "| server | stopped by | stops | sent | failed | cut short | lost per stop | seconds to stop (most) |")
	fmt.Fprintln(w, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, r := range results {
		fmt.Fprintf(w, "| %s | %s | %d | %d | %d | %d | %.1f | %.1f (%.1f) |\n", r.Server, r.Variant, r.Stops, r.Sent,
			r.Failed, r.CutShort, float64(r.Lost())/float64(r.Stops), r.SecondsToStop.Median, r.SecondsToStop.Most)
	}
}

// judge returns an error if podhook has lost requests, or if the bare server has lost
// none, because then the load proves nothing.
func judge(results []result) error {
	var errs []error
	for _, r := range results {
		who := r.Server + ", " + r.Variant
		if r.Podhook && r.Lost() > 0 {
			errs = append(errs, fmt.Errorf("%s: lost %d of %d requests: %+v", who, r.Lost(), r.Sent, r.Losses))
		}
		if r.Variant == "bare" && r.Lost() == 0 {
			errs = append(errs, fmt.Errorf("%s: lost none of %d requests: the load is no test", who, r.Sent))
		}
	}
	return errors.Join(errs...)
}
