package main

import (
	"slices"
	"testing"

	"github.com/podhook/podhook/agent/settings"
)

// CMD and the steps get every entry as it is, also doubled and malformed ones, and
// GOMAXPROCS unless it is meant for podhook alone.
func TestChildEnviron(t *testing.T) {
	environ := []string{"B=2", "GOMAXPROCS=1", "A=1", "A=2", "malformed", "GOMAXPROCS=3", "GOMAXPROCSX=4"}
	if got := childEnviron(environ, &settings.Settings{}); !slices.Equal(got, environ) {
		t.Errorf("by default %q", got)
	}
	want := []string{"B=2", "A=1", "A=2", "malformed", "GOMAXPROCSX=4"}
	if got := childEnviron(environ, &settings.Settings{KeepGomaxprocs: true}); !slices.Equal(got, want) {
		t.Errorf("kept from children: %q, want %q", got, want)
	}
	if len(environ) != 7 || environ[1] != "GOMAXPROCS=1" {
		t.Errorf("the given environment was changed: %q", environ)
	}
}
