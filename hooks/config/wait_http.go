package config

import "regexp"

// HTTPAnswer holds if the answer has one of the request's statuses and its body matches.
type HTTPAnswer struct {
	HTTP HTTP
	// Body is searched for in the body of the answer; nil takes every body.
	Body *regexp.Regexp
	// GiveUp lists the statuses after which waiting is useless.
	GiveUp []StatusRange
}

func (c HTTPAnswer) String() string      { return "http " + c.HTTP.String() }
func (c HTTPAnswer) endpoint() *Endpoint { return &c.HTTP.Endpoint }

const bodyRule = "a regular expression of RE2, such as \"ready\": *true"

func (d *decoder) httpAnswer(v value) (c HTTPAnswer) {
	c.HTTP, _ = d.http(v, field{"body", func(v value) {
		text, ok := d.text(v, bodyRule)
		if !ok {
			return
		}
		var err error
		if c.Body, err = regexp.Compile(text); err != nil {
			d.refuse(v, "%s (%v)", bodyRule, err)
		}
	}}, field{"giveUp", func(v value) { c.GiveUp = d.statuses(v) }})
	if c.HTTP.Method == "" {
		c.HTTP.Method = DefaultMethod("")
	}
	return c
}
