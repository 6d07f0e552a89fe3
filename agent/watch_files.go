package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podhook/podhook/agent/watch"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/state"
)

// configDebounce is how long the file of the hooks must stay the same to be read again.
const configDebounce = time.Second

var errNoReload = errors.New("the container is told to stop")

// WatchFiles runs the hooks with watch at each change of their files, until ctx ends. It
// returns at once. The channel is closed when it has seen all files: later changes count.
func (a *Agent) WatchFiles(ctx context.Context) (seen <-chan struct{}) {
	looked := make(chan struct{})
	if a.Settings.Disabled || a.Store == nil { // nothing can be recorded, so no hook but shutdown runs
		close(looked)
		return looked
	}
	f := &fileWatch{agent: a, running: map[string]context.CancelFunc{}}
	go func() {
		f.follow(ctx)
		close(looked)
		for {
			select {
			case <-a.Configuration.changed:
				f.follow(ctx)
			case <-ctx.Done():
				if f.notifier != nil {
					f.notifier.Close()
				}
				return
			}
		}
	}()
	return looked
}

// fileWatch is what an Agent watches.
type fileWatch struct {
	agent    *Agent
	notifier *watch.Notifier // nil until a hook has needed it
	running  map[string]context.CancelFunc
}

// follow begins and ends watching by the configuration in force. Where nothing has
// changed for a hook, it goes on.
func (f *fileWatch) follow(ctx context.Context) {
	cfg, err := f.agent.Configuration.Get()
	if err != nil {
		return
	}
	wanted := f.wanted(cfg)
	for key, end := range f.running {
		if wanted[key] == nil {
			end()
			delete(f.running, key)
		}
	}
	for key, hook := range wanted {
		if f.running[key] == nil {
			f.running[key] = f.begin(ctx, hook)
		}
	}
}

// wanted returns the hooks with watch, and one without a name for the file that they come
// from. Where no hook watches, nothing is: inotify instances are few.
func (f *fileWatch) wanted(cfg *config.Config) map[string]*config.Hook {
	wanted := map[string]*config.Hook{}
	add := func(h *config.Hook) { wanted[fmt.Sprintf("%s %q %v", h.Name, h.Watch, h.Debounce)] = h }
	for _, h := range cfg.Hooks {
		if len(h.Watch) > 0 {
			add(h)
		}
	}
	if file := cfg.File(); file != "" && len(wanted) > 0 {
		add(&config.Hook{Watch: []string{file}, Debounce: configDebounce})
	}
	return wanted
}

func (f *fileWatch) begin(ctx context.Context, hook *config.Hook) context.CancelFunc {
	logger := f.agent.Logger
	if f.notifier == nil {
		f.notifier = watch.Open(func(why error) {
			logger.Warn("no inotify instance or watch is left, watched files are looked at every 2 s", "error", why.Error())
		})
	}
	tree := f.notifier.NewTree(hook.Watch, f.agent.Store.Dir(), hook.Debounce, func() {
		logger.Warn("more than 4096 files are watched, changes of the others are not noticed", "hook", hook.Name)
	})
	if hook.Name != "" {
		logger.Info("watches files", "hook", hook.Name, "paths", fmt.Sprint(hook.Watch))
	}
	own, end := context.WithCancel(ctx)
	go func() {
		defer tree.Close()
		for tree.Next(own) {
			if hook.Name == "" {
				_, _ = f.agent.Configuration.Get() // reads it again
			} else {
				f.agent.runAtChange(ctx, hook.Name)
			}
		}
	}()
	return end
}

// runAtChange runs a hook, unless shutdown has begun. A run that was in progress may have
// begun before the change, so it runs again after that.
func (a *Agent) runAtChange(ctx context.Context, hook string) {
	if ctx.Err() != nil || a.draining() != "" {
		return
	}
	for {
		result, err := a.Runner.Call(ctx, hook, hooks.Request{Trigger: state.TriggerWatch, Force: true})
		switch {
		case ctx.Err() != nil:
			a.Runner.Interrupt(errNoReload, func(name string) bool { return name == hook })
			return
		case err != nil:
			a.Logger.Error("not run at a change of its files", "hook", hook, "error", err.Error())
			return
		case !result.Joined:
			return
		}
	}
}
