package lint

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
)

// environment returns the variables of the container as far as the input has them. It notes
// those whose values are elsewhere.
func (p *pod) environment(c *container) []string {
	// $(NAME), and the escaped $$(NAME).
	reference := regexp.MustCompile(`\$?\$\([A-Za-z_][A-Za-z0-9_]*\)`)
	values := map[string]string{}
	var names []string
	set := func(name, value string) {
		if _, again := values[name]; !again {
			names = append(names, name)
		}
		values[name] = value
	}
	for _, from := range c.EnvFrom {
		other, here := manifest.Document{}, false
		if from.ConfigMapRef != nil {
			other, here = p.maps[from.ConfigMapRef.Name]
		}
		if !here {
			c.unsureAll = true
			continue
		}
		for key, value := range other.ConfigMap.Data {
			set(from.Prefix+key, value)
		}
	}
	for _, e := range c.Env {
		switch value, here := p.valueOf(e); {
		case here:
			set(e.Name, reference.ReplaceAllStringFunc(value, func(text string) string {
				if rest, escaped := strings.CutPrefix(text, "$$"); escaped {
					return "$" + rest
				}
				if known, ok := values[text[2:len(text)-1]]; ok {
					return known
				}
				return text
			}))
		default:
			c.unsure[e.Name] = true
		}
	}
	slices.Sort(names)
	environ := make([]string, 0, len(names))
	for _, name := range names {
		environ = append(environ, name+"="+values[name])
	}
	return environ
}

// valueOf returns the value of a variable if the input has it.
func (p *pod) valueOf(e corev1.EnvVar) (string, bool) {
	if e.ValueFrom == nil {
		return e.Value, true
	}
	if ref := e.ValueFrom.ConfigMapKeyRef; ref != nil {
		if other, here := p.maps[ref.Name]; here {
			value, has := other.ConfigMap.Data[ref.Key]
			return value, has
		}
	}
	return "", false
}

// withFlags adds the settings of podhook's command line, before the words of CMD.
func withFlags(environ, words []string) []string {
	settingOf := map[string]string{"config": "PODHOOK_CONFIG", "listen": "PODHOOK_LISTEN"}
	for i, word := range words {
		if word == "--" {
			break
		}
		name, value, joined := strings.Cut(strings.TrimLeft(word, "-"), "=")
		setting := settingOf[name]
		if setting == "" || !strings.HasPrefix(word, "-") {
			continue
		}
		if !joined && i+1 < len(words) {
			value = words[i+1]
		}
		environ = append(slices.DeleteFunc(environ, func(e string) bool { return strings.HasPrefix(e, setting+"=") }), setting+"="+value)
	}
	return environ
}

// readSettings reads the settings as podhook in the container would, and notes what is wrong
// with them.
func (c *container) readSettings(environ []string) {
	s, err := settingsOf(environ)
	c.settings = s
	var bad *settings.Error
	if !errors.As(err, &bad) {
		return
	}
	settingName := regexp.MustCompile(`PODHOOK_[A-Z_]*[A-Z]`)
	for _, text := range bad.Problems {
		at := c.at()
		for _, name := range settingName.FindAllString(text, -1) {
			if c.isSet(name) {
				at = c.at("env", name)
				text = strings.TrimPrefix(text, name+": ")
				break
			}
		}
		f := found(at, "", text)
		f.rule = ruleSettings
		c.problems = append(c.problems, f)
	}
}

// settingsOf reads settings from a list of variables. envconfig knows only the environment
// of the process, so that is exchanged meanwhile.
func settingsOf(environ []string) (*settings.Settings, error) {
	for _, row := range settings.Table() {
		if before, set := os.LookupEnv(row.Name); set {
			defer os.Setenv(row.Name, before)
		} else {
			defer os.Unsetenv(row.Name)
		}
		os.Unsetenv(row.Name)
	}
	for _, entry := range environ {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, settings.Prefix) && isSetting(name) {
			os.Setenv(name, value)
		}
	}
	return settings.Load(environ)
}

func isSetting(name string) bool {
	return slices.ContainsFunc(settings.Table(), func(row settings.Row) bool { return row.Name == name })
}

// given returns how the value of a setting came to be, for messages.
func (c *container) given(setting string, value string) string {
	if c.isSet(setting) || len(c.EnvFrom) > 0 {
		return setting + " is " + value
	}
	return setting + " is " + value + " by default"
}
