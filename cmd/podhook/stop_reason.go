package main

import (
	"context"
	"time"

	"github.com/podhook/podhook/agent/podapi"
	"github.com/podhook/podhook/agent/show"
	"github.com/podhook/podhook/hooks/state"
)

// stopReason returns the function that asks the API server why the container is stopped.
// It is nil if podhook may not ask.
func (c *container) stopReason() func(context.Context) state.StopReason {
	if !c.settings.PodAPI {
		return nil
	}
	return func(ctx context.Context) state.StopReason {
		reason, err := askReason(ctx, c.settings.PodName)
		if err != nil {
			c.logger.Warn("stop reason not known, the Pod was not read", "error", err.Error())
			return state.StopUnknown
		}
		c.logger.Info(show.StopReason, "reason", string(reason))
		return reason
	}
}

func askReason(ctx context.Context, name string) (state.StopReason, error) {
	client, err := podapi.InCluster(name)
	if err != nil {
		return "", err
	}
	pod, err := client.Get(ctx)
	if err != nil {
		return "", err
	}
	return pod.StopReason(time.Now()), nil
}

// warnOfPodAPI says at the start what would keep podhook from asking the API server, and from
// telling it of runs.
func (c *container) warnOfPodAPI() {
	if !c.settings.PodAPI && c.events == nil {
		return
	}
	_, err := podapi.InCluster(c.settings.PodName)
	if err != nil && c.settings.PodAPI {
		c.logger.Warn("PODHOOK_POD_API: the stop reason will not be known", "error", err.Error())
	}
	if err != nil && c.events != nil {
		c.logger.Warn("PODHOOK_EVENTS: no Event will be sent", "error", err.Error())
	}
}
