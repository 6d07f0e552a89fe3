package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/httpcall"
	"github.com/podhook/podhook/hooks/process"
)

const (
	// maxAnswer is how many bytes of an answer are read.
	maxAnswer = 1 << 20
	// shownAnswer is how many bytes of a failing answer the run's output shows.
	shownAnswer = 2 << 10
)

// sendRequest sends a request. It reads the answer to its end, or up to 1 MiB, because
// the server may do its work while it answers.
func sendRequest(ctx context.Context, a *action, do config.HTTP) {
	res, err := httpcall.Send(ctx, do, maxAnswer)
	if err != nil {
		a.failed(ctx, err)
		return
	}
	defer res.Body.Close()
	good := config.StatusIn(res.StatusCode, do.Status)
	if !good {
		a.answer(res.Body)
	}
	var long *httpcall.LongError
	if _, err = io.Copy(io.Discard, res.Body); err != nil && !errors.As(err, &long) && ctx.Err() != nil {
		a.failed(ctx, err)
		return
	}
	if !good {
		a.fail(fmt.Sprintf("%s was answered with status %s; expected is %s", do, res.Status, statuses(do.Status)))
		return
	}
	a.succeed()
	a.say("status " + res.Status)
}

// failed records an error, or the end of ctx if that is the cause.
func (a *action) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		a.stopped(ctx)
		return
	}
	a.fail(err.Error())
}

// answer adds the first bytes of a failing answer to the output.
func (a *action) answer(body io.Reader) {
	text, _ := io.ReadAll(io.LimitReader(body, shownAnswer)) // the bytes before an error are useful too
	for line := range bytes.Lines(text) {
		a.print(bytes.TrimRight(line[:min(len(line), process.MaxLine)], "\r\n"))
	}
}

func statuses(list []config.StatusRange) string {
	var texts []string
	for _, r := range list {
		texts = append(texts, r.String())
	}
	return strings.Join(texts, ", ")
}
