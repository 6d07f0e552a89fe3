package config

import (
	"strconv"
	"strings"
)

const (
	stepNameRule = "a step's name is letters, digits, ., _ and -, begins with a letter or digit, and has at most 63 characters"
	maxStepName  = 63
)

func (d *decoder) stepName(v value) string {
	text, ok := d.literal(v, stepNameRule)
	if !ok {
		return ""
	}
	if !isStepName(text) {
		d.refuse(v, stepNameRule)
		return ""
	}
	return text
}

func isStepName(name string) bool {
	return name != "" && len(name) <= maxStepName && cleanName(name) == name
}

// cleanName replaces the characters that a step's name cannot hold by -.
func cleanName(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, text)
	return strings.TrimLeft(clean, "._-")
}

// nameSteps refuses names that are given twice, and gives a default name to each step
// without one. A default name that is taken gets a number.
func (d *decoder) nameSteps(steps []*stepDraft) {
	taken := map[string]*stepDraft{}
	for _, s := range steps {
		if s.step.Name == "" {
			continue
		}
		if other := taken[s.step.Name]; other != nil {
			d.refuse(s.name, "is already the name of a step of this hook, on line %d", other.name.node.Line)
		}
		taken[s.step.Name] = s
	}
	for _, s := range steps {
		if s.step.Name != "" || s.step.Action == nil {
			continue
		}
		base := defaultName(s.step.Action)
		s.step.Name = base
		for n := 2; taken[s.step.Name] != nil; n++ {
			suffix := "-" + strconv.Itoa(n)
			s.step.Name = base[:min(len(base), maxStepName-len(suffix))] + suffix
		}
		taken[s.step.Name] = s
	}
}

// defaultName makes a name from an action: "exec-render.sh", "scripts-shutdown.d",
// "signal-QUIT", "http-POST", "wait-tcp", "sleep".
func defaultName(a Action) string {
	name := a.Kind()
	if detail := cleanName(a.detail()); detail != "" {
		name += "-" + detail
	}
	return name[:min(len(name), maxStepName)]
}
