package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/podhook/podhook/agent/settings"
)

// width is the longest line of the help, in characters.
const width = 80

// defineHelp prints an overview, the settings or the help of a command. envconfig.Usage
// would add 1.8 MB of text/template to the binary.
func defineHelp(inv *invocation, _ *flag.FlagSet) action {
	return func(_ context.Context, words []string) int {
		switch {
		case len(words) == 0:
			overview(inv.stdout)
			return exitOK
		case len(words) > 1:
			return inv.fail(usagef("help: one command is needed"))
		case words[0] == "settings":
			helpSettings(inv.stdout)
			return exitOK
		}
		c, err := inv.find(words[0])
		if err != nil {
			return inv.fail(err)
		}
		return inv.done(c.help(inv.stdout))
	}
}

// overview lists the commands by their purpose, on one screen.
func overview(w io.Writer) {
	fmt.Fprintln(w, "podhook makes the lifecycle hooks of a container reliable, visible and measurable.")
	heading := ""
	for _, c := range commands() {
		if c.purpose == "" {
			continue
		}
		if c.purpose != heading {
			heading = c.purpose
			fmt.Fprintf(w, "\n%s:\n", heading)
		}
		fmt.Fprint(w, hanging("  "+c.name, 14, c.summary))
	}
	fmt.Fprint(w, "\npodhook help COMMAND explains a command, podhook help settings the variables.\n")
}

func helpSettings(w io.Writer) {
	fmt.Fprint(w, "The settings of podhook are environment variables:\n\n")
	for _, row := range settings.Table() {
		text := row.Description
		if row.Default != "" {
			text += " (default " + row.Default + ")"
		}
		fmt.Fprint(w, "  "+row.Name+"\n"+hanging("", 6, text))
	}
}

// help prints what the command does and takes.
func (c *command) help(w io.Writer) error {
	var b strings.Builder
	b.WriteString(hanging("podhook "+c.name+": ", 4, c.summary+"."))
	if c.about != "" {
		b.WriteString("\n" + hanging("", 0, c.about))
	}
	b.WriteString("\nUsage:\n" + hanging("  podhook "+c.name+" ", 6, c.args))
	if rows := flagRows(c.flags()); len(rows) > 0 {
		b.WriteString("\nFlags:\n")
		for _, row := range rows {
			b.WriteString(hanging("  "+row.names, 26, row.text))
		}
	}
	b.WriteString("\nExamples:\n")
	for _, example := range c.examples {
		b.WriteString("  " + example[0] + "\n" + hanging("", 6, example[1]))
	}
	b.WriteString("\nExit codes:\n")
	for _, code := range c.exits {
		b.WriteString("  " + code + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// flagRow is a flag with its other names and what it does.
type flagRow struct{ names, text string }

// flagRows returns the flags in the order of their names. Flags with the same text are
// names of one flag.
func flagRows(fs *flag.FlagSet) []flagRow {
	var rows []flagRow
	index := map[string]int{}
	fs.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		if i, other := index[f.Usage]; other {
			if len(f.Name) == 1 {
				rows[i].names = dashed(f.Name) + ", " + rows[i].names
				return
			}
			name, _, _ := strings.Cut(rows[i].names, " ")
			rows[i].names = strings.TrimSpace(name + ", " + dashed(f.Name) + " " + value)
			return
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" {
			text += " (default " + f.DefValue + ")"
		}
		index[f.Usage] = len(rows)
		rows = append(rows, flagRow{strings.TrimSpace(dashed(f.Name) + " " + value), text})
	})
	return rows
}

// hanging returns words wrapped at width, after a first part and with the further lines
// indented. A first part that is too long has a line of its own.
func hanging(first string, indent int, text string) string {
	line, pad := first, strings.Repeat(" ", indent)
	var b strings.Builder
	switch {
	case first != "" && strings.HasSuffix(first, " "):
	case len(first) < indent-1:
		line += pad[len(first):]
	default:
		if first != "" {
			b.WriteString(first + "\n")
		}
		line = pad
	}
	empty := true
	for _, word := range strings.Fields(text) {
		switch {
		case empty:
			line += word
		case len(line)+1+len(word) > width:
			b.WriteString(line + "\n")
			line = pad + word
		default:
			line += " " + word
		}
		empty = false
	}
	return b.String() + strings.TrimRight(line, " ") + "\n"
}
