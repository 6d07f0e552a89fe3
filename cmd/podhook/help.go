package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/podhook/podhook/agent/settings"
)

func usage(w io.Writer) {
	fmt.Fprintln(w, "podhook makes the lifecycle hooks of a container reliable, visible and measurable.")
	fmt.Fprintln(w)
	fmt.Fprintln(w, "Commands:")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range commands() {
		if c.summary != "" {
			fmt.Fprintf(tw, "  podhook %s %s\t%s\n", c.name, c.args, c.summary)
		}
	}
	_ = tw.Flush()
}

// help writes the settings from the same table that the README is checked
// against; envconfig.Usage would cost 1.8 MB of text/template.
func help(_ context.Context, c *call) int {
	usage(c.stdout)
	fmt.Fprintln(c.stdout)
	fmt.Fprintln(c.stdout, "Settings, as environment variables:")
	for _, row := range settings.Table() {
		fmt.Fprintf(c.stdout, "  %s", row.Name)
		if row.Default != "" {
			fmt.Fprintf(c.stdout, " (default %s)", row.Default)
		}
		fmt.Fprintf(c.stdout, "\n      %s\n", row.Description)
	}
	fmt.Fprintln(c.stdout)
	fmt.Fprintln(c.stdout, "Exit codes: 0 succeeded, 1 a step failed, 2 bad usage or configuration, 124 timed out, 130 or 143 interrupted.")
	return exitOK
}
