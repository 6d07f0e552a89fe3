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

func printVersion(_ context.Context, inv *invocation) int {
	if err := noWords(flag.NewFlagSet("version", flag.ContinueOnError), inv.args); err != nil {
		return inv.fail(err)
	}
	entry := "Go's entry point"
	if inherited.Recorded() {
		entry = "own entry point"
	}
	fmt.Fprintf(inv.stdout, "podhook %s %s %s/%s, %s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, entry)
	return exitOK
}
