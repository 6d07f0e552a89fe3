package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/config"
)

// result is what lint has found, as -o json shows it.
type result struct {
	OK       bool      `json:"ok"`
	Pods     int       `json:"pods"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Findings []Finding `json:"findings"`
}

// forms are the values of -o.
func forms() []string { return []string{"text", "json", "github", "sarif"} }

func (r *result) write(w io.Writer, form string) error {
	switch form {
	case "json":
		return writeJSON(w, r)
	case "sarif":
		return writeJSON(w, sarifOf(r))
	}
	for _, f := range r.Findings {
		line := fmt.Sprintf("%-7s  %s [%s]", f.Severity, f.problem().Error(), f.Rule)
		if form == "github" {
			line = f.annotation()
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "podhook: %s, %s in %s\n", show.Count(r.Errors, "error"), show.Count(r.Warnings, "warning"), show.Count(r.Pods, "pod"))
	return err
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// annotation returns the finding as a workflow command of GitHub Actions, which shows it
// at its line.
func (f Finding) annotation() string {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	p := f.problem()
	p.Pos = config.Position{}
	return fmt.Sprintf("::%s file=%s,line=%d,title=%s::%s", f.Severity, property.Replace(f.File), f.Line, f.Rule, data.Replace(p.Error()))
}
