package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"

	"github.com/podhook/podhook/hooks/process/inherited"
)

// version is stamped by the linker (make build), which needs a variable.
var version = "devel"

func printVersion(_ context.Context, c *call) int {
	if err := noWords(flag.NewFlagSet("version", flag.ContinueOnError), c.args); err != nil {
		return c.fail(err)
	}
	entry := "Go's entry point"
	if inherited.Recorded() {
		entry = "own entry point"
	}
	fmt.Fprintf(c.stdout, "podhook %s %s %s/%s, %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, entry)
	return exitOK
}
