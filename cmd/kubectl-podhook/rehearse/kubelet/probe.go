package kubelet

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// probeFailure is a liveness or startup probe that has failed so often that kubelet kills
// the container.
type probeFailure struct {
	message string
	grace   int64
}

// startProbes begins to probe an instance: startup first, then readiness and liveness. An
// instance without a startup probe counts as started, one without a readiness probe as
// ready.
func (k *kubelet) startProbes(ctx context.Context, inst *instance) {
	ctx, cancel := context.WithCancel(ctx)
	health, cancelHealth := context.WithCancel(ctx)
	k.mu.Lock()
	inst.stopProbes = cancelHealth
	k.mu.Unlock()
	go func() { // readiness is probed until the container is dead
		<-inst.dead
		cancel()
	}()
	begin := func() {
		k.setStarted(inst)
		if inst.spec.Readiness == nil {
			k.setReady(inst, true)
		} else {
			go k.probeReadiness(ctx, inst)
		}
		if inst.spec.Liveness != nil {
			go k.probeHealth(health, inst, "liveness", inst.spec.Liveness, nil)
		}
	}
	if inst.spec.Startup == nil {
		begin()
		return
	}
	go k.probeHealth(health, inst, "startup", inst.spec.Startup, begin)
}

// stopHealthProbes ends the startup and liveness probes of a container that is stopped.
// Its readiness is still probed.
func (k *kubelet) stopHealthProbes(inst *instance) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if inst.stopProbes != nil {
		inst.stopProbes()
	}
}

func (k *kubelet) probeReadiness(ctx context.Context, inst *instance) {
	p := inst.spec.Readiness
	good, bad := 0, 0
	for range ticks(ctx, p) {
		if err := k.probe(ctx, inst, p); ctx.Err() != nil {
			return
		} else if err != nil {
			good, bad = 0, bad+1
			k.timeline.event("Warning", "Unhealthy", inst.spec.Name, "Readiness probe failed: "+err.Error())
			if bad >= p.FailureThreshold {
				k.setReady(inst, false)
			}
		} else if good, bad = good+1, 0; good >= p.SuccessThreshold {
			k.setReady(inst, true)
		}
	}
}

// probeHealth runs a startup probe until it succeeds, and then calls succeeded, or a
// liveness probe for ever.
func (k *kubelet) probeHealth(ctx context.Context, inst *instance, kind string, p *Probe, succeeded func()) {
	bad := 0
	for range ticks(ctx, p) {
		err := k.probe(ctx, inst, p)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			bad = 0
			if succeeded != nil {
				succeeded()
				return
			}
			continue
		}
		bad++
		k.timeline.event("Warning", "Unhealthy", inst.spec.Name,
			fmt.Sprintf("%s probe failed: %v", strings.ToUpper(kind[:1])+kind[1:], err))
		if bad >= p.FailureThreshold {
			k.failProbe(inst, kind, p)
			return
		}
	}
}

// failProbe makes the loop kill the container.
func (k *kubelet) failProbe(inst *instance, kind string, p *Probe) {
	k.mu.Lock()
	grace := k.grace()
	if p != nil && p.GracePeriod != nil {
		grace = *p.GracePeriod
	}
	inst.failure = &probeFailure{
		message: fmt.Sprintf("Container %s failed %s probe, will be restarted", inst.spec.Name, kind),
		grace:   grace,
	}
	k.mu.Unlock()
	k.poke()
}

func (k *kubelet) takeFailure(c *container) *probeFailure {
	if c.inst == nil || c.inst.isDead() {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	failure := c.inst.failure
	c.inst.failure = nil
	return failure
}

// ticks yields when a probe is due, until ctx is done.
func ticks(ctx context.Context, p *Probe) func(yield func() bool) {
	return func(yield func() bool) {
		wait := p.InitialDelay
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if ctx.Err() != nil || !yield() {
				return
			}
			wait = p.Period
		}
	}
}

// probe probes once. The error is the text of the event.
func (k *kubelet) probe(ctx context.Context, inst *instance, p *Probe) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	switch {
	case p.Exec != nil:
		return k.probeExec(ctx, inst, p)
	case p.HTTPGet != nil:
		return k.probeHTTP(ctx, inst, p)
	}
	port, err := resolvePort(p.TCPPort, inst.spec.Ports)
	if err != nil {
		return err
	}
	conn, err := dialer(k.scenario.NodeIP).DialContext(ctx, "tcp", net.JoinHostPort(inst.process.Address(), strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return conn.Close()
}

func (k *kubelet) probeExec(ctx context.Context, inst *instance, p *Probe) error {
	var output bytes.Buffer
	code, err := inst.process.Exec(ctx, p.Exec, &output)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("command timed out: %q timed out after %s", p.Exec, p.Timeout)
	case err != nil:
		return err
	case code != 0:
		return fmt.Errorf("%s", bytes.TrimSpace(output.Bytes()))
	}
	return nil
}

func (k *kubelet) probeHTTP(ctx context.Context, inst *instance, p *Probe) error {
	req, err := newRequest(ctx, p.HTTPGet, inst.spec.Ports, inst.process.Address(), "probe")
	if err != nil {
		return err
	}
	resp, err := newProbeClient(k.scenario.NodeIP, p.Timeout).Do(req)
	if err != nil {
		return err
	}
	discardBody(resp)
	if resp.StatusCode < 200 || resp.StatusCode >= 400 {
		return fmt.Errorf("HTTP probe failed with statuscode: %d", resp.StatusCode)
	}
	return nil
}
