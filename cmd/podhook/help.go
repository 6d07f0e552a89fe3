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

// help prints the commands and the settings. envconfig.Usage would add 1.8 MB of
// text/template to the binary.
func help(_ context.Context, inv *invocation) int {
	usage(inv.stdout)
	fmt.Fprintln(inv.stdout)
	fmt.Fprintln(inv.stdout, "Settings, as environment variables:")
	for _, row := range settings.Table() {
		fmt.Fprintf(inv.stdout, "  %s", row.Name)
		if row.Default != "" {
			fmt.Fprintf(inv.stdout, " (default %s)", row.Default)
		}
		fmt.Fprintf(inv.stdout, "\n      %s\n", row.Description)
	}
	fmt.Fprintln(inv.stdout)
	fmt.Fprintln(inv.stdout, "Exit codes: 0 succeeded, 1 a step failed, 2 bad usage or configuration, 124 timed out, 130 or 143 interrupted.")
	return exitOK
}
