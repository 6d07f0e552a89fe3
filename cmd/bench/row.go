package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// row is one figure of podhook.
type row struct {
	Figure  string  `json:"figure"`
	Podhook float64 `json:"podhook"`
	Unit    string  `json:"unit,omitempty"`
	// Goal is the largest figure that is good, nil where there is none.
	Goal *float64 `json:"goal,omitempty"`
	// Beside are the figures of other programs, for people.
	Beside string `json:"beside,omitempty"`
	// Exact says that the figure is a count, the same in each run.
	Exact bool `json:"exact,omitempty"`
	// Missing says why there is no figure.
	Missing string `json:"missing,omitempty"`
}

// verdict compares the figure with the goal.
func (r row) verdict() string {
	switch {
	case r.Missing != "":
		return "not measured: " + r.Missing
	case r.Goal == nil:
		return ""
	case r.met(1):
		return "met"
	case *r.Goal == 0:
		return "missed"
	}
	return fmt.Sprintf("missed by %.0f %%", 100*(r.Podhook / *r.Goal - 1))
}

// met reports whether the figure is at most some times the goal.
func (r row) met(times float64) bool { return r.Goal == nil || r.Podhook <= *r.Goal*times }

// number writes a figure with three digits, a count as it is.
func number(f float64, exact bool) string {
	switch {
	case exact || f == 0 || f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case f > 0 && f < 0.1:
		return strconv.FormatFloat(f, 'f', 3, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

func (r row) cells() []string {
	cells := []string{r.Figure, "-", "-", r.Beside, r.verdict()}
	if r.Missing == "" {
		cells[1] = strings.TrimSpace(number(r.Podhook, r.Exact) + " " + r.Unit)
	}
	if r.Goal != nil {
		cells[2] = strings.TrimSpace(strconv.FormatFloat(*r.Goal, 'f', -1, 64) + " " + r.Unit)
	}
	return cells
}

func show(w io.Writer, rows []row) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "figure\tpodhook\tgoal\tbeside it\tverdict")
	for _, r := range rows {
		fmt.Fprintln(tw, strings.Join(r.cells(), "\t"))
	}
	return tw.Flush()
}

// results is the file that the picture and the page are made from.
type results struct {
	Date   string `json:"date"`
	Go     string `json:"go"`
	Kernel string `json:"kernel"`
	Cores  int    `json:"cores"`
	Rows   []row  `json:"rows"`
}

func save(path string, rows []row) error {
	var system unix.Utsname
	if err := unix.Uname(&system); err != nil {
		return err
	}
	kernel, _, _ := strings.Cut(unix.ByteSliceToString(system.Release[:]), "-")
	data, err := json.MarshalIndent(results{time.Now().UTC().Format(time.DateOnly), runtime.Version(), kernel, runtime.NumCPU(), rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// margin is how many times its goal a ratio may be: on a busy machine, and where starting a
// process is slow, ratios are several times what they are elsewhere.
const margin = 5

// failed returns what is worse than a check allows.
func failed(rows []row) error {
	var all []error
	for _, r := range rows {
		if r.Missing == "" && (r.Exact && !r.met(1) || !r.met(margin)) {
			all = append(all, fmt.Errorf("%s: %s, the goal is %s", r.Figure, r.cells()[1], r.cells()[2]))
		}
	}
	return errors.Join(all...)
}
