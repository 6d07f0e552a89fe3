package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
)

// version is stamped by the linker (make build), which needs a variable.
var version = "devel"

func printVersion(_ context.Context, c *call) int {
	if err := noWords(flag.NewFlagSet("version", flag.ContinueOnError), c.args); err != nil {
		return c.fail(err)
	}
	fmt.Fprintf(c.stdout, "podhook %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitOK
}
