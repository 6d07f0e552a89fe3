package config

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// saved is the format of Save.
type saved struct {
	YAML []byte `json:"yaml,omitempty"`
	// Dirs lists the names of the directories if there is no YAML.
	Dirs    []string       `json:"dirs,omitempty"`
	Scripts []savedScripts `json:"scripts,omitempty"`
}

// savedScripts holds the scripts of a directory that were last good.
type savedScripts struct {
	Dir   string   `json:"dir"`
	Match string   `json:"match,omitempty"`
	Names []string `json:"names"`
}

// Save returns the configuration, with the names of the scripts that were last good, for
// Restore.
func (c *Config) Save() ([]byte, error) {
	s := saved{YAML: c.text, Dirs: c.dirs}
	for a, names := range c.good {
		s.Scripts = append(s.Scripts, savedScripts{a.Dir, a.Match, names})
	}
	slices.SortFunc(s.Scripts, func(a, b savedScripts) int {
		return strings.Compare(a.Dir+"\x00"+a.Match, b.Dir+"\x00"+b.Match)
	})
	return json.Marshal(s)
}

// Restore returns the configuration that Save has written. s is the current source, and
// source the Source of the saved configuration. The result is for Update only: it has no
// scripts yet.
func Restore(s Source, source string, data []byte) (*Config, error) {
	var kept saved
	if err := json.Unmarshal(data, &kept); err != nil {
		return nil, err
	}
	c, err := kept.config(s, source)
	if err != nil {
		return nil, err
	}
	c.source, c.hints, c.good = s, c.Warnings, map[Scripts][]string{}
	for _, scripts := range kept.Scripts {
		c.good[Scripts{scripts.Dir, scripts.Match}] = scripts.Names
	}
	return c, nil
}

func (kept *saved) config(s Source, source string) (*Config, error) {
	if kept.YAML != nil {
		return Parse(source, kept.YAML, s.Environ)
	}
	c, err := s.ofDirectories(kept.Dirs)
	if err == nil && c.Source != source {
		return nil, errors.New("of other directories")
	}
	return c, err
}
