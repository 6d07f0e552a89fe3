package wait

import (
	"context"
	"errors"
	"io"

	"github.com/podhook/podhook/hooks/config"
	"github.com/podhook/podhook/hooks/httpcall"
)

func httpAnswer(c config.HTTPAnswer) Look {
	return func(ctx context.Context) Seen {
		res, err := httpcall.Send(ctx, c.HTTP, maxBody)
		if err != nil {
			return Seen{Text: err.Error()}
		}
		defer res.Body.Close()
		// The server may work until it has sent the whole answer.
		body, err := io.ReadAll(res.Body)
		seen := Seen{Done: config.StatusIn(res.StatusCode, c.HTTP.Status), Text: "status " + res.Status}
		switch {
		case !seen.Done || c.Body == nil:
		case c.Body.Match(body):
			seen.Text += ", the body matches"
		default:
			seen.Done = false
			seen.Text += ", the body does not match"
			if err != nil {
				seen.Text += " (" + err.Error() + ")"
			}
		}
		if !seen.Done && config.StatusIn(res.StatusCode, c.GiveUp) {
			seen.Err = errors.New(seen.Text + ", which is in giveUp")
		}
		return seen
	}
}
