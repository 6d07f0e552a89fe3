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

// build says which build of podhook this is, as version -o json shows it.
type build struct {
	Version   string `json:"version"`
	GoVersion string `json:"goVersion"`
	Platform  string `json:"platform"`
	// OwnEntryPoint says that the entry point of hooks/process/inherited is linked.
	OwnEntryPoint bool `json:"ownEntryPoint"`
}

func defineVersion(inv *invocation, fs *flag.FlagSet) action {
	form := formFlag(fs, "text", "json")
	return func(context.Context, []string) int {
		b := build{version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, inherited.Recorded()}
		if form.is("json") {
			return inv.done(writeJSON(inv.stdout, b))
		}
		entry := "Go's entry point"
		if b.OwnEntryPoint {
			entry = "own entry point"
		}
		_, err := fmt.Fprintf(inv.stdout, "podhook %s %s %s, %s\n", b.Version, b.GoVersion, b.Platform, entry)
		return inv.done(err)
	}
}
