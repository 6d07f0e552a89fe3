package agent

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// Configuration is the hooks in force. It is read anew when its file has
// changed; one that is broken is refused and the last good one stays, for the
// agent and for exec'd hooks alike, because both keep it in the state.
type Configuration struct {
	source config.Source
	store  *state.Store // nil: the last good one is known to this process alone
	logger *slog.Logger

	mu       sync.Mutex
	stamp    config.Stamp
	current  *config.Config
	refused  error
	failures int
}

// SourceOf says where the settings let the hooks come from, and what their
// variables stand for.
func SourceOf(s *settings.Settings, environ []string) config.Source {
	return config.Source{File: string(s.Config), Text: s.ConfigYAML, Environ: environ}
}

// LoadConfiguration reads the hooks for an agent that starts: a configuration
// that is broken now is an error, whatever was good before.
func LoadConfiguration(source config.Source, store *state.Store, logger *slog.Logger) (*Configuration, error) {
	c := &Configuration{source: source, store: store, logger: logger, stamp: source.Stamp()}
	current, err := config.Load(source)
	if err != nil {
		return nil, err
	}
	c.accept(current)
	return c, nil
}

// KeepIn keeps the configuration in force, and those that come after it, in a state
// that was not there when it was loaded.
func (c *Configuration) KeepIn(store *state.Store) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store = store
	c.accept(c.current)
}

// LoadForExec reads the hooks for an exec'd hook: where the configuration has
// been broken since the instance's start, the last good one is in force, as it
// is in the agent.
func LoadForExec(source config.Source, store *state.Store, logger *slog.Logger) (*Configuration, error) {
	c, err := LoadConfiguration(source, store, logger)
	if err == nil || store == nil {
		return c, err
	}
	text, name, ok, lastErr := store.LastConfig()
	if lastErr != nil || !ok {
		return nil, err
	}
	last, lastErr := config.Parse(name, text, source.Environ)
	if lastErr != nil {
		return nil, err
	}
	c = &Configuration{source: source, store: store, logger: logger, stamp: source.Stamp(), current: last}
	c.refuse(err)
	return c, nil
}

// Get is the configuration in force now. It costs a few stat calls where
// nothing has changed.
func (c *Configuration) Get() (*config.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stamp := c.source.Stamp(); stamp != c.stamp {
		c.read(stamp)
	}
	return c.current, nil
}

// Reload reads the configuration anew, also where nothing seems to have changed.
func (c *Configuration) Reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read(c.source.Stamp())
}

// read reads a configuration that had this stamp. One that is broken is refused.
// The caller holds the lock.
func (c *Configuration) read(stamp config.Stamp) {
	c.stamp = stamp
	next, err := config.Load(c.source)
	if err != nil {
		c.refuse(err)
		return
	}
	c.refused = nil
	c.accept(next)
	c.logger.Info("configuration read again", "source", next.Source, "hooks", len(next.Hooks))
	for _, w := range next.Warnings {
		c.logger.Warn("configuration", "problem", w.Error())
	}
}

// Refused is how often a configuration was refused, and why the newest one is not
// in force, or nil.
func (c *Configuration) Refused() (failures int, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failures, c.refused
}

func (c *Configuration) refuse(err error) {
	c.refused = err
	c.failures++
	c.logger.Error("configuration refused, the last good one stays in force", "source", c.current.Source, "error", err.Error())
}

func (c *Configuration) accept(next *config.Config) {
	c.current = next
	if c.store == nil || next.Text() == nil {
		return
	}
	if err := c.store.SaveConfig(next.Text(), next.Source); err != nil {
		c.logger.Warn("configuration not kept for the case that it is broken later", "error", fmt.Sprint(err))
	}
}
