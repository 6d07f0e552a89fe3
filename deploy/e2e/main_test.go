//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/podhook/podhook/deploy/e2e/images"
)

// built are the images of this run. Only TestMain writes it.
var built images.Set

func TestMain(m *testing.M) {
	var err error
	if built, err = images.Build(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "cannot build the images:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
