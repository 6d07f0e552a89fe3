package wait

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/exposition"
	"github.com/podhook/podhook/hooks/httpcall"
)

const (
	// maxBody bounds what is read of the body of an answer, in bytes.
	maxBody = 64 << 10
	// maxMetrics bounds the text of all metrics, in bytes.
	maxMetrics = 16 << 20
)

// For returns the check of a condition. A check takes at most 5 s. It is nil for the exit
// of the main process, which the kernel notifies of, and for a Program.
func For(c config.Condition) Look {
	if look := of(c); look != nil {
		return look.within(lookTime)
	}
	return nil
}

func of(c config.Condition) Look {
	switch c := c.(type) {
	case config.TCP:
		return tcp(c)
	case config.HTTPAnswer:
		return httpAnswer(c)
	case config.File:
		return file(c)
	case config.Metric:
		return metric(c)
	case config.Connections:
		return connections(c)
	case config.Quiet:
		return quiet(c)
	}
	return nil
}

func tcp(c config.TCP) Look {
	return func(ctx context.Context) Seen {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.Address)
		if err != nil {
			return Seen{Text: err.Error()}
		}
		_ = conn.Close() // only the connection counts
		return Seen{Done: true, Text: "a connection was made"}
	}
}

func file(c config.File) Look {
	return func(context.Context) Seen {
		_, err := os.Stat(c.Path)
		missing := errors.Is(err, fs.ErrNotExist)
		switch {
		case err != nil && !missing:
			return Seen{Text: err.Error()}
		case missing:
			return Seen{Done: c.Gone, Text: "it does not exist"}
		}
		return Seen{Done: !c.Gone, Text: "it exists"}
	}
}

func metric(c config.Metric) Look {
	call := config.HTTP{Endpoint: c.Endpoint, Method: "GET", Status: []config.StatusRange{{From: 200, To: 200}}}
	labels := make([]exposition.Label, len(c.Labels))
	for i, l := range c.Labels {
		labels[i] = exposition.Label(l)
	}
	return func(ctx context.Context) Seen {
		res, err := httpcall.Send(ctx, call, maxMetrics)
		if err != nil {
			if nobodyListens(err) {
				return gone(c, err.Error())
			}
			return Seen{Text: err.Error()}
		}
		defer res.Body.Close()
		if res.StatusCode != 200 {
			return Seen{Text: "status " + res.Status}
		}
		sum, err := exposition.Add(res.Body, c.Name, labels)
		switch {
		case err != nil:
			return Seen{Text: err.Error()}
		case sum.Unended && !res.Framed():
			return Seen{Text: "the answer ends within a line"}
		case sum.Matched == 0:
			return gone(c, fmt.Sprintf("none of %d series matches %s", sum.Series, c.Series()))
		}
		return Seen{Done: holds(c, sum.Value), Text: fmt.Sprintf("%s = %s", c.Series(), config.FormatNumber(sum.Value))}
	}
}

// gone applies goneIs of the configuration: the target does not exist.
func gone(c config.Metric, text string) Seen {
	switch c.Gone {
	case config.GoneIsDone:
		return Seen{Done: true, Text: "gone: " + text}
	case config.GoneIsError:
		return Seen{Text: text, Err: errors.New(text + "; goneIs: done treats that as drained, goneIs: wait keeps waiting")}
	}
	return Seen{Text: text}
}

// nobodyListens reports whether the target does not exist. A target that is slow or
// cannot be reached may come back.
func nobodyListens(err error) bool {
	var dial *net.OpError // not a missing file, such as that of a header
	return errors.As(err, &dial) && (errors.Is(dial, syscall.ECONNREFUSED) || errors.Is(dial, syscall.ENOENT))
}

// holds is false for NaN, which compares false with every number.
func holds(c config.Metric, n float64) bool {
	return (c.AtMost == nil || n <= *c.AtMost) && (c.AtLeast == nil || n >= *c.AtLeast)
}
