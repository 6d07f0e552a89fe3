package agent

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podhook/podhook/agent/access"
	"github.com/podhook/podhook/agent/events"
	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks"
	"github.com/podhook/podhook/hooks/state"
)

// Agent answers over HTTP for one container. All fields except Child, Finder, Events and
// Log are required. They must not be changed once it serves.
type Agent struct {
	Settings      *settings.Settings
	Access        *access.Access
	Configuration *Configuration
	Store         *state.Store
	Runner        *hooks.Runner
	// Child is the main process that podhook run starts, or nil.
	Child *mainprocess.Child
	// Finder is nil if no main process is configured.
	Finder *mainprocess.Finder
	// Events is nil if none are asked for.
	Events *events.Sender
	Logger *slog.Logger
	// Log is where Logger writes. Its dropped lines are a metric, unless it is nil.
	Log     *show.NonBlocking
	Version string

	// Course is what is known of the main process's start and end.
	Course mainprocess.Course

	requests      requestCounter
	unknownPaths  unknownPaths
	shutdownCalls shutdownCalls
	readyLooks    readyLooks
	reading       sync.Mutex  // held while the state is read for an answer: that holds a thread
	stopping      atomic.Bool // a stop signal has come
	refusals      refusals
	accessOpen    atomic.Bool // everybody can run hooks

	scraped *scraped   // guarded by reading, nil before the first scrape
	scrapes sync.Pool  // of *bytes.Buffer, the answers
	sending sync.Mutex // held while figures are sent

	lateCaller time.Duration // set by tests; 0 means the constant
}
