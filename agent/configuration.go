package agent

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// pause is how long a file that is being written is left alone: each look at it may
// take 0.3 s.
const pause = time.Second

// Configuration is the hooks in force. It is read anew when its file, or a script, has
// changed; what is broken is refused and what was last good stays, for the agent and
// for exec'd hooks alike, because both keep it in the state. Its methods may be called
// by any number of goroutines.
type Configuration struct {
	source config.Source
	store  *state.Store // nil: what was last good is known to this process alone
	logger *slog.Logger

	mu       sync.Mutex
	current  *config.Config
	notYet   time.Time // until when the file is left alone
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
	current, err := config.Load(source)
	if err != nil {
		return nil, err
	}
	c := &Configuration{source: source, store: store, logger: logger}
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

// LoadForExec reads the hooks for an exec'd hook: what has become broken, or has gone,
// since the instance's start is refused, as it is in the agent.
func LoadForExec(source config.Source, store *state.Store, logger *slog.Logger) (*Configuration, error) {
	last := lastGood(source, store)
	if last == nil {
		return LoadConfiguration(source, store, logger)
	}
	c := &Configuration{source: source, store: store, logger: logger, current: last}
	next, err := config.Update(source, last)
	c.take(next, err)
	return c, nil
}

// lastGood is what was kept in this instance, or nil. What cannot be read counts as
// none: the source says what the hooks are.
func lastGood(source config.Source, store *state.Store) *config.Config {
	if store == nil {
		return nil
	}
	data, name, ok, err := store.LastConfig()
	if err != nil || !ok {
		return nil
	}
	last, err := config.Restore(source, name, data)
	if err != nil {
		return nil
	}
	return last
}

// Get is the configuration in force now. It costs a few stat calls where
// nothing has changed.
func (c *Configuration) Get() (*config.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.current.Fresh() && time.Now().After(c.notYet) {
		c.read()
	}
	return c.current, nil
}

// Reload reads the configuration anew, also where nothing seems to have changed.
func (c *Configuration) Reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read()
}

// read reads the configuration. The caller holds the lock.
func (c *Configuration) read() {
	next, err := config.Update(c.source, c.current)
	c.take(next, err)
	if err != nil {
		return
	}
	c.logger.Info("configuration read again", "source", next.Source, "hooks", len(next.Hooks))
	for _, w := range next.Warnings {
		c.logger.Warn("configuration", "problem", w.Error())
	}
}

// take puts in force what config.Update has come to, and tells of what was refused.
// A file that is being written is no news.
func (c *Configuration) take(next *config.Config, err error) {
	var broken *config.Errors
	switch {
	case errors.As(err, &broken) && broken.Unsettled:
		c.current, c.notYet = next, time.Now().Add(pause)
		return
	case err != nil:
		c.refused = err
		c.failures++
		c.logger.Error("configuration refused, the last good one stays in force", "source", next.Source, "error", err.Error())
	default:
		c.refused = nil
	}
	c.accept(next)
}

// Refused is how often a configuration was refused, and why the newest one is not,
// or not all of it, in force, or nil.
func (c *Configuration) Refused() (failures int, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failures, c.refused
}

func (c *Configuration) accept(next *config.Config) {
	c.current = next
	if c.store == nil {
		return
	}
	data, err := next.Save()
	if err == nil {
		err = c.store.SaveConfig(data, next.Source)
	}
	if err != nil {
		c.logger.Warn("configuration not kept for the case that it is broken later", "error", err.Error())
	}
}
