package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
)

// completeCommand prints how its last word can go on. The scripts of all shells call it.
const completeCommand = "complete"

// The scripts give the words before the cursor to completeCommand. Without an answer the
// shell completes file names.
func completionScripts() map[string]string {
	return map[string]string{
		"bash": `_podhook() {
    local IFS=$'\n'
    COMPREPLY=($(podhook complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _podhook podhook
`,
		"zsh": `#compdef podhook
_podhook() {
    local -a found
    found=(${(f)"$(podhook complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _podhook podhook
`,
		"fish": `function __podhook_complete
    set -l words (commandline -opc)[2..-1] (commandline -ct)
    set -l found (podhook complete -- $words 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c podhook -f -a '(__podhook_complete)'
`,
	}
}

func defineCompletion(inv *invocation, _ *flag.FlagSet) action {
	return func(_ context.Context, words []string) int {
		script, ok := completionScripts()[words[0]]
		if !ok {
			return inv.fail(usagef("completion: %q: allowed are bash, zsh and fish", words[0]))
		}
		_, err := fmt.Fprint(inv.stdout, script)
		return inv.done(err)
	}
}

func defineComplete(inv *invocation, _ *flag.FlagSet) action {
	return func(_ context.Context, words []string) int {
		if len(words) == 0 {
			return exitOK
		}
		last := words[len(words)-1]
		for _, word := range inv.candidates(words[:len(words)-1], last) {
			if strings.HasPrefix(word, last) {
				fmt.Fprintln(inv.stdout, word)
			}
		}
		return exitOK
	}
}

// candidates returns the words that can stand after the given ones. An empty list leaves
// it to the shell, which knows files.
func (inv *invocation) candidates(before []string, last string) []string {
	if len(before) == 0 {
		return commandNames()
	}
	at := slices.IndexFunc(commands(), func(c command) bool { return c.name == before[0] && c.purpose != "" })
	if at < 0 {
		return nil
	}
	c := commands()[at]
	fs := c.flags()
	if previous := before[len(before)-1]; strings.HasPrefix(previous, "-") {
		f := fs.Lookup(strings.TrimLeft(previous, "-"))
		if f != nil && !isBool(f) {
			return flagValues(f)
		}
	}
	if strings.HasPrefix(last, "-") {
		var flags []string
		fs.VisitAll(func(f *flag.Flag) { flags = append(flags, dashed(f.Name)) })
		return flags
	}
	return inv.wordsOf(&c)
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// flagValues returns the words that a flag takes.
func flagValues(f *flag.Flag) []string {
	if c, ok := f.Value.(*choice); ok {
		return c.allowed
	}
	return nil
}

// wordsOf returns the words that a command takes.
func (inv *invocation) wordsOf(c *command) []string {
	switch first, _, _ := strings.Cut(c.args, " "); {
	case c.name == "help":
		return append(commandNames(), "settings")
	case c.name == "completion":
		return []string{"bash", "fish", "zsh"}
	case first == "HOOK", first == "NAME":
		return inv.hookNames()
	}
	return nil
}
