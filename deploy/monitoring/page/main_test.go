package page

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

var update = flag.Bool("update", false, "write the picture of agent/README.md")

// podhook is the program as it is shipped.
var podhook string

func TestMain(m *testing.M) {
	os.Exit(withPodhook(m))
}

func withPodhook(m *testing.M) int {
	dir, err := os.MkdirTemp("", "podhook")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if podhook, err = testutil.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
