// Package load sends HTTP requests to a server that is about to stop and counts
// their outcomes. Unlike net/http's client it never sends a request twice.
package load

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Kind is one kind of request: a path, how often it is asked for, and whether one
// connection is kept for all of them.
type Kind struct {
	Name      string
	Path      string
	Every     time.Duration
	KeepAlive bool
}

// Count counts outcomes. Each request that was sent is in one of Complete, Failed and
// CutShort.
type Count struct {
	Sent int `json:"sent"`
	// Complete were answered with 200 and the whole body.
	Complete int `json:"complete"`
	// Failed got no answer, or a status other than 200.
	Failed int `json:"failed"`
	// CutShort were answered, but the body ended too early.
	CutShort int `json:"cutShort"`
}

// Add adds other to c.
func (c *Count) Add(other Count) {
	c.Sent += other.Sent
	c.Complete += other.Complete
	c.Failed += other.Failed
	c.CutShort += other.CutShort
}

// Lost are the requests that did not end well.
func (c Count) Lost() int { return c.Failed + c.CutShort }

// Loss is one request that did not end well.
type Loss struct {
	Kind, Cause  string
	Began, Ended time.Time
}

// Load is a load on one server.
type Load struct {
	address string
	limit   time.Duration

	all    sync.WaitGroup
	mu     sync.Mutex
	counts map[string]Count
	losses []Loss
}

// Start begins to send requests of each kind to an address. It goes on until ctx
// is done: that is when the endpoint is withdrawn. A request that has not ended
// after limit has failed.
func Start(ctx context.Context, address string, limit time.Duration, kinds []Kind) *Load {
	l := &Load{address: address, limit: limit, counts: map[string]Count{}}
	for _, k := range kinds {
		l.all.Go(func() {
			if k.KeepAlive {
				l.sendOnOne(ctx, k)
			} else {
				l.sendOnMany(ctx, k)
			}
		})
	}
	return l
}

// Wait waits for the end of all requests. counts are by the name of the kind.
func (l *Load) Wait() (counts map[string]Count, losses []Loss) {
	l.all.Wait()
	return l.counts, l.losses
}

// sendOnMany sends each request on a connection of its own, whether or not the
// earlier ones have been answered.
func (l *Load) sendOnMany(ctx context.Context, k Kind) {
	ticks := time.NewTicker(k.Every)
	defer ticks.Stop()
	for ctx.Err() == nil {
		l.all.Go(func() {
			began := time.Now()
			c := l.dial()
			l.count(k, began, c.ask(k, false))
			c.close()
		})
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
}

// sendOnOne sends one request after the other on a connection that it keeps as
// long as the server does.
func (l *Load) sendOnOne(ctx context.Context, k Kind) {
	var c *client
	ticks := time.NewTicker(k.Every)
	defer ticks.Stop()
	for ctx.Err() == nil {
		began := time.Now()
		if c == nil {
			c = l.dial()
		}
		o := c.ask(k, true)
		l.count(k, began, o)
		if o.err != nil || o.closes {
			c.close()
			c = nil
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
	if c != nil {
		c.close()
	}
}

func (l *Load) count(k Kind, began time.Time, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[k.Name]
	c.Sent++
	switch {
	case o.err == nil:
		c.Complete++
	case o.answered:
		c.CutShort++
	default:
		c.Failed++
	}
	if o.err != nil {
		l.losses = append(l.losses, Loss{k.Name, cause(o.err), began, time.Now()})
	}
	l.counts[k.Name] = c
}

// client is one connection; err says why it could not be made.
type client struct {
	conn   net.Conn
	reader *bufio.Reader
	host   string
	err    error
	limit  time.Duration
}

func (l *Load) dial() *client {
	c := &client{host: l.address, limit: l.limit}
	c.conn, c.err = net.DialTimeout("tcp", l.address, l.limit)
	if c.err == nil {
		c.reader = bufio.NewReader(c.conn)
	}
	return c
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close() // the outcome is known
	}
}

// outcome is the outcome of one request.
type outcome struct {
	answered bool // with 200, though not to its end where err is set
	closes   bool // the connection cannot be used again
	err      error
}

func (c *client) ask(k Kind, keep bool) outcome {
	if c.err != nil {
		return outcome{err: c.err}
	}
	_ = c.conn.SetDeadline(time.Now().Add(c.limit)) // fails on a closed connection, as the write does
	request := "GET " + k.Path + " HTTP/1.1\r\nHost: " + c.host + "\r\n"
	if !keep {
		request += "Connection: close\r\n"
	}
	if _, err := io.WriteString(c.conn, request+"\r\n"); err != nil {
		return outcome{err: err}
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return outcome{err: err}
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return outcome{err: statusError(answer.Status)}
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return outcome{answered: true, err: err}
	}
	return outcome{answered: true, closes: answer.Close}
}
