package main

import (
	"context"
	"time"

	"github.com/podhook/podhook/agent/events"
	"github.com/podhook/podhook/agent/podapi"
	"github.com/podhook/podhook/hooks/config"
)

// newEvents returns what sends Events, or nil if none are asked for.
func (c *container) newEvents() *events.Sender {
	if c.settings.Events == "" || c.settings.Disabled {
		return nil
	}
	return &events.Sender{
		Mode: c.settings.Events, PodUID: c.settings.PodUID, Logger: c.logger,
		Client: func() (*podapi.Client, error) { return podapi.InCluster(c.settings.PodName) },
	}
}

// hiddenEvents warns of Events that kubectl describe pod will not show.
func (c *container) hiddenEvents() []config.Problem {
	if c.events == nil || c.settings.PodUID != "" {
		return nil
	}
	return []config.Problem{{Field: "PODHOOK_EVENTS", Msg: "kubectl describe pod shows no Event without the uid of the Pod: set PODHOOK_POD_UID to metadata.uid of the downward API"}}
}

// flushEvents waits for the Event of an exec'd hook that began at that time.
func (h *hookCall) flushEvents(began time.Time) {
	ctx, cancel := h.beforeMain(context.Background(), began)
	defer cancel()
	h.container.events.Flush(ctx)
}
