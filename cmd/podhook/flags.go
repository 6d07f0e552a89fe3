package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/config"
)

// choice is a flag that takes one of some words.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) String() string { return c.value }

func (c *choice) is(word string) bool { return c.value == word }

// Set is the method of flag.Value.
func (c *choice) Set(text string) error {
	if !slices.Contains(c.allowed, text) {
		last := len(c.allowed) - 1
		return fmt.Errorf("allowed are %s and %s", strings.Join(c.allowed[:last], ", "), c.allowed[last])
	}
	c.value = text
	return nil
}

// choiceFlag declares a flag whose default is the first allowed word.
func choiceFlag(fs *flag.FlagSet, name, usage string, allowed ...string) *choice {
	c := &choice{allowed[0], allowed}
	fs.Var(c, name, usage)
	return c
}

// formFlag declares -o.
func formFlag(fs *flag.FlagSet, forms ...string) *choice {
	return choiceFlag(fs, "o", "the form of the output: `FORM` is "+strings.Join(forms, " or "), forms...)
}

// duration is a flag that takes a duration and says what to write for another text.
type duration time.Duration

func (d *duration) String() string { return time.Duration(*d).String() }

// Set is the method of flag.Value.
func (d *duration) Set(text string) error {
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%s", config.DurationNeeded(text))
	}
	*d = duration(parsed)
	return nil
}

func durationFlag(fs *flag.FlagSet, name string, value time.Duration, usage string) *time.Duration {
	fs.Var((*duration)(&value), name, usage)
	return &value
}

// settingFlag is a flag that sets a variable for this process and those that it starts
// for hooks. CMD does not get it.
type settingFlag struct{ name, field, usage string }

// The flags for settings that one changes by hand.
func settingFlagTable() []settingFlag {
	return []settingFlag{
		{"config", "Config", "read the hooks of `FILE`, instead of PODHOOK_CONFIG"},
		{"listen", "Listen", "listen on `ADDRESS`, such as :8080, instead of PODHOOK_LISTEN"},
	}
}

// settingFlags declares the named ones of settingFlagTable.
func (inv *invocation) settingFlags(fs *flag.FlagSet, names ...string) {
	for _, f := range settingFlagTable() {
		if !slices.Contains(names, f.name) {
			continue
		}
		fs.Func(f.name, f.usage, func(text string) error { return inv.setting(f.field, text) })
	}
}

// setting sets a field of the settings.
func (inv *invocation) setting(field, text string) error {
	if text == "" {
		return errors.New("a value is needed")
	}
	if inv.settings == nil {
		inv.settings = map[string]string{}
	}
	inv.settings[settings.Name(field)] = text
	return nil
}

// applySettings moves the settings of flags into the environment, from where settings
// are read. A file of --config replaces the text of PODHOOK_CONFIG_YAML too.
func (inv *invocation) applySettings() error {
	for name, value := range inv.settings {
		drop := []string{name}
		if name == settings.Name("Config") {
			absolute, err := filepath.Abs(value)
			if err != nil {
				return err
			}
			value = absolute
			drop = append(drop, config.EnvText)
		}
		inv.env = slices.DeleteFunc(slices.Clone(inv.env), func(entry string) bool {
			known, _, _ := strings.Cut(entry, "=")
			return slices.Contains(drop, known)
		})
		inv.env = append(inv.env, name+"="+value)
		for _, gone := range drop {
			if err := os.Unsetenv(gone); err != nil {
				return err
			}
		}
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}
