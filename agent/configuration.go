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

// pause is the time between two reads of a file that is being written. Each read can
// take 0.3 s.
const pause = time.Second

// Configuration holds the hooks in force. It reads them again when their file or a
// script has changed. It refuses what is broken and keeps the last good hooks, in the
// state, so that the agent and exec'd hooks agree. It is safe for concurrent use.
type Configuration struct {
	source config.Source
	store  *state.Store // nil: only this process knows the last good hooks
	logger *slog.Logger
	// changed has a value after the hooks in force have been replaced.
	changed chan struct{}

	mu       sync.Mutex
	current  *config.Config
	notYet   time.Time // the file is not read again before
	refused  error
	failures int
}

// SourceOf returns the source of the hooks by the settings. environ holds the values
// of their variables.
func SourceOf(s *settings.Settings, environ []string) config.Source {
	return config.Source{File: string(s.Config), Text: s.ConfigYAML, Environ: environ}
}

// LoadConfiguration reads the hooks for an agent that starts. A broken configuration
// is an error.
func LoadConfiguration(source config.Source, store *state.Store, logger *slog.Logger) (*Configuration, error) {
	current, err := config.Load(source)
	if err != nil {
		return nil, err
	}
	c := &Configuration{source: source, store: store, logger: logger, changed: make(chan struct{}, 1)}
	c.accept(current)
	return c, nil
}

// KeepIn sets the state, for a configuration that was loaded without one.
func (c *Configuration) KeepIn(store *state.Store) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store = store
	c.accept(c.current)
}

// LoadForExec reads the hooks for an exec'd hook. Like the agent, it refuses what has
// broken or disappeared since the start of the instance, and keeps the last good hooks.
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

// lastGood returns the last good hooks of this instance, or nil if the state has none
// that can be read.
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

// Get returns the configuration in force. If nothing has changed it costs a few stat
// calls.
func (c *Configuration) Get() (*config.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.current.Fresh() && time.Now().After(c.notYet) {
		c.read()
	}
	return c.current, nil
}

// Reload reads the configuration again even if no file seems to have changed.
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

// take puts the result of config.Update in force, and logs what was refused. It does not
// log a file that is being written.
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

// Refused returns how often a configuration was refused, and why the newest one, or a
// part of it, is not in force.
func (c *Configuration) Refused() (failures int, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failures, c.refused
}

func (c *Configuration) accept(next *config.Config) {
	c.current = next
	select {
	case c.changed <- struct{}{}:
	default:
	}
	if c.store == nil {
		return
	}
	data, err := next.Save()
	if err == nil {
		err = c.store.SaveConfig(data, next.Source)
	}
	if err != nil {
		c.logger.Warn("configuration not saved, it cannot replace a later broken one", "error", err.Error())
	}
}
