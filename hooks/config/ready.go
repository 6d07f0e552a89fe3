package config

import "fmt"

// maxReady bounds the conditions of ready, which one probe of kubelet looks at.
const maxReady = 20

const readyConditions = "tcp, http, file, gone, metric"

// Ready is one condition that must hold while the container gets traffic.
type Ready struct {
	For Condition
	Pos Position
}

// ready reads the list of conditions.
func (d *decoder) ready(v value) (list []Ready) {
	const allowed = `a list of conditions, such as [{http: "http://127.0.0.1:8081/healthz"}]`
	if v.isNull() {
		d.refuse(v, "%s", allowed)
		return nil
	}
	for _, item := range d.items(v, allowed) {
		before, r := d.found(), Ready{Pos: d.pos(item)}
		chosen := func(c Condition) {
			if r.For != nil {
				d.wrong(item, "two conditions; write each as an item of its own")
			}
			r.For = c
		}
		d.fields(item, allowed, d.conditions(chosen))
		if r.For == nil && d.found() == before {
			d.wrong(item, "no condition; one of "+readyConditions+" is needed")
		}
		if c, ok := r.For.(HTTPAnswer); ok && c.GiveUp != nil {
			d.wrong(item, "giveUp means nothing here: a probe looks again and again")
		}
		list = append(list, r)
	}
	if len(list) > maxReady {
		d.wrong(v, fmt.Sprintf("has %d conditions; %d are allowed", len(list), maxReady))
	}
	return list
}

// WhenReady describes the conditions of ready for people.
func (c *Config) WhenReady() []string {
	var list []string
	for _, r := range c.Ready {
		list = append(list, r.For.String())
	}
	return list
}

// ready checks the files that the conditions need.
func (p *Preflight) ready(list []Ready) {
	for i, r := range list {
		if e := r.For.endpoint(); e != nil {
			p.at = Problem{Pos: r.Pos, Field: fmt.Sprintf("ready[%d]", i)}
			p.endpoint(*e)
		}
	}
}
