package hooks

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podhook/podhook/hooks/config"
)

// TestConnectionsLeftAreTold tells of connections that end, at most once a second. Of other
// waits only what was seen first is told.
func TestConnectionsLeftAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for kind, tt := range map[string]struct {
			wait config.Wait
			want []string
		}{
			"file":        {config.Wait{For: config.File{Path: "/x"}}, []string{"waiting for file /x: 9 left"}},
			"connections": {config.Wait{For: config.Connections{Ports: []uint16{80}}}, []string{"waiting for connections to port 80: 9 left", "7 left", "6 left"}},
		} {
			var told []string
			progress := tellProgress(tt.wait, func(text string) { told = append(told, text) })
			for _, left := range []int{9, 8, 7, 7, 6, 5} {
				progress(fmt.Sprintf("%d left", left))
				time.Sleep(600 * time.Millisecond)
			}
			if fmt.Sprint(told) != fmt.Sprint(tt.want) {
				t.Errorf("%s: told %q, want %q", kind, told, tt.want)
			}
		}
	})
}
