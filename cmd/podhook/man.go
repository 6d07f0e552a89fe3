package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/podhook/podhook/agent/settings"
)

// manCommand prints the manual page podhook(1) in the macros of man(7). make man calls
// it; there is no other source of the page.
const manCommand = "man"

func defineMan(inv *invocation, _ *flag.FlagSet) action {
	return func(context.Context, []string) int {
		_, err := fmt.Fprint(inv.stdout, manPage())
		return inv.done(err)
	}
}

func manPage() string {
	var b strings.Builder
	// The words of a macro can be copied from the page: \- is no hyphen but a minus.
	line := func(macro string, words ...string) {
		b.WriteString("." + macro)
		for _, word := range words {
			b.WriteString(` "` + strings.NewReplacer(`"`, `\(dq`, "-", `\-`).Replace(roff(word)) + `"`)
		}
		b.WriteString("\n")
	}
	text := func(s string) {
		for wrapped := range strings.Lines(hanging("", 0, s)) {
			b.WriteString(roff(wrapped))
		}
	}
	line("TH", "PODHOOK", "1", "", "podhook "+version, "")
	line("SH", "NAME")
	text("podhook - lifecycle hooks of containers, reliable, visible and measurable")
	line("SH", "SYNOPSIS")
	line("B", "podhook")
	text("COMMAND [flags]")
	line("SH", "COMMANDS")
	for _, c := range commands() {
		if c.purpose == "" {
			continue
		}
		line("SS", "podhook "+c.name+" "+c.args)
		text(strings.ToUpper(c.summary[:1]) + c.summary[1:] + ".")
		if c.about != "" {
			line("PP")
			text(c.about)
		}
		for _, row := range flagRows(c.flags()) {
			line("TP")
			line("B", row.names)
			text(row.text)
		}
		line("PP")
		text("Examples:")
		for _, example := range c.examples {
			line("TP")
			line("B", example[0])
			text(example[1])
		}
		line("PP")
		text("Exit codes:")
		for _, code := range c.exits {
			number, meaning, _ := strings.Cut(code, "  ")
			line("TP")
			line("B", number)
			text(strings.TrimSpace(meaning))
		}
	}
	line("SH", "ENVIRONMENT")
	for _, row := range settings.Table() {
		line("TP")
		line("B", row.Name)
		if row.Default != "" {
			text(row.Description + " (default " + row.Default + ")")
		} else {
			text(row.Description)
		}
	}
	return b.String()
}

// roff escapes a text for troff: a leading dot or quote would be a macro.
func roff(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
