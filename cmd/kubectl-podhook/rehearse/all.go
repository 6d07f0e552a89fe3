package rehearse

import (
	"context"
	"fmt"
	"io"
)

// runAll plays each scenario in turn, and prints a closing table. It returns exitDiffers if
// an expectation was not met in one of them. If the pod is never ready in the first one, the
// others are skipped.
func runAll(ctx context.Context, args []string, out *printer) (int, error) {
	var all []rehearsal
	code, hopeless := exitRan, ""
	for _, s := range scenarios() {
		opts, err := parseFlags(append(s.args(), args...), io.Discard)
		if err != nil {
			return exitBadUsage, err
		}
		opts.scenarioName = s.name
		if out.live && len(all) > 0 && hopeless == "" {
			fmt.Fprintln(out.w)
		}
		r := rehearsal{Scenario: s.name, Skipped: hopeless}
		if hopeless == "" {
			if r, err = rehearse(ctx, opts, out); err != nil {
				return exitBadUsage, err
			}
		}
		if r.Skipped == "" && !r.EverReady && s.name == scenarios()[0].name {
			hopeless = "the pod was never ready in scenario " + s.name
		}
		all = append(all, r)
		code = max(code, r.exitCode())
		if ctx.Err() != nil {
			break
		}
	}
	if !out.live {
		return code, out.json(struct {
			Scenarios []rehearsal `json:"scenarios"`
		}{all})
	}
	out.closing(all)
	return code, nil
}

// closing prints a table of all scenarios: whether each was as expected, and its verdict.
func (p *printer) closing(all []rehearsal) {
	fmt.Fprintf(p.w, "\n%-26s %-12s %s\n", "SCENARIO", "EXPECTATIONS", "VERDICT")
	for _, r := range all {
		met := "met"
		if len(r.Differences) > 0 {
			met = "NOT MET"
		}
		rows := make([]string, 0, len(r.Differences)+len(r.Verdict))
		for _, d := range r.Differences {
			rows = append(rows, "not as expected: "+d)
		}
		for _, f := range r.Verdict {
			rows = append(rows, f.Kind+": "+f.What+times(f.Count))
		}
		switch {
		case r.Skipped != "":
			met, rows = "skipped", []string{r.Skipped}
		case len(rows) == 0:
			rows = []string{nothingFound}
		}
		for i, row := range rows {
			if i == 0 {
				fmt.Fprintf(p.w, "%-26s %-12s %s\n", r.Scenario, met, row)
			} else {
				fmt.Fprintf(p.w, "%-26s %-12s %s\n", "", "", row)
			}
		}
	}
}
