package config

import (
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/podhook/podhook/hooks/executable"
)

// Exec runs a program directly, never through a shell.
type Exec struct{ Argv []string }

func (Exec) Kind() string                    { return "exec" }
func (Exec) Does() string                    { return "" }
func (Exec) WaitsFor() string                { return "" }
func (Exec) NeedsMain() bool                 { return false }
func (e Exec) detail() string                { return path.Base(e.Argv[0]) }
func (Exec) worst(s *Step) (WorstStep, bool) { return s.worstOpen() }
func (Exec) alwaysTimeout() time.Duration    { return alwaysDefault }
func (Exec) preflight(*Preflight)            {}

func (e Exec) programs(_ *Hook, search executable.Search) []program {
	p := program{name: e.Argv[0], search: search, warn: true}
	if strings.Contains(p.name, "/") {
		p.name = search.At(p.name)
		if dir, err := os.Getwd(); err == nil && !path.IsAbs(p.name) {
			p.name = path.Join(dir, p.name) // says where it was looked for
		}
	}
	file, err := search.Find(e.Argv[0])
	if err != nil {
		p.err = err
		return []program{p}
	}
	p.file = search.At(file)
	if executable.IsScript(p.file) {
		p.script = p.file
	}
	return []program{p}
}

// readExec reads the program and its arguments.
func readExec(d *decoder, v value) Action {
	const allowed = "a list of the program and its arguments, such as [/scripts/render.sh, --strict]"
	if v.node.Kind == yaml.ScalarNode && !v.isNull() && v.node.Value != "" {
		v.secret = mayHoldSecret(v.node.Value)
		d.refuse(v, "a list, never a shell line; write exec: %s", asList(v.node.Value))
		return nil
	}
	items := d.items(v, allowed)
	if len(items) == 0 {
		if v.isNull() || v.node.Kind == yaml.SequenceNode {
			d.wrong(v, "empty; "+allowed)
		}
		return nil
	}
	argv := make([]string, 0, len(items))
	for i, item := range items {
		text, ok := d.argument(item, `a text; write "" for an empty argument`)
		if ok && i == 0 && text == "" {
			d.refuse(item, "the program to run")
			ok = false
		}
		if ok {
			argv = append(argv, text)
		}
	}
	if len(argv) < len(items) {
		return nil
	}
	return Exec{Argv: argv}
}

// asList returns the list that a command line probably means. It calls a shell if the
// line needs one.
func asList(line string) string {
	if len(line) > maxShown || mayHoldSecret(line) {
		return "[PROGRAM, ARGUMENT, ...]"
	}
	words := strings.Fields(line)
	if strings.ContainsAny(line, "|&;<>()$`\\\"'*?[]#~{}\n") || len(words) == 0 {
		words = []string{"sh", "-c", line}
	}
	for i, word := range words {
		if !isPlainYAML(word) {
			words[i] = strconv.Quote(word)
		}
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// isPlainYAML reports whether a word needs no quotes in a list.
func isPlainYAML(word string) bool {
	return !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=", r))
	}) && word != "-"
}
