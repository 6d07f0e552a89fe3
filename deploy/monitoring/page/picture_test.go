package page

import (
	"bytes"
	"fmt"
	"image"
	"image/color/palette"
	"image/draw"
	"image/png"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/podhook/podhook/internal/testutil"
)

// TestPicture makes the picture of agent/README.md; -update writes it.
func TestPicture(t *testing.T) {
	browser := startBrowser(t)
	s := scene{name: "picture", run: []string{"--", "sleep", "600"}, env: []string{"PODHOOK_GRACE_PERIOD=90s"},
		calls: []string{"hooks/reload", "shutdown?wait=false"}, shows: []string{"1 left"}, hooks: fmt.Sprintf(`
hooks:
  prestart:
    steps:
    - {name: render-config, exec: [sleep, "0.1"]}
    - {name: migrate, exec: [sleep, "0.4"]}
    - {name: warm-cache, exec: [sleep, "0.2"]}
  shutdown:
    timeout: 60s
    steps:
    - {name: deregister, exec: [sleep, "0.7"]}
    - {name: drain, wait: {connections: {port: %d, loopback: true}}}
    - {name: stop, signal: QUIT}
  reload:
    steps:
    - {name: check-config, exec: [sh, -c, "sleep 0.2; echo 'nginx: [emerg] unknown directive \"sever\" in nginx.conf:12'; exit 1"], retries: 1, backoff: 100ms}
    - {name: reload, signal: HUP}
`, heldConnection(t))}
	url, tb := s.start(t), openTab(t, browser)
	var m measured
	testutil.Eventually(t, "the drain takes a second", func() bool {
		tb.show(url, look{width: 800, script: true, token: token})
		m = tb.measure()
		return !strings.Contains(m.Text, "running\n\nfor 0.")
	})
	if len(m.Wrong) > 0 {
		t.Error(m.Wrong)
	}
	if _, err := chromedp.Run(tb.ctx, chromedp.Evaluate[string](`document.querySelector("h1 small").textContent = "v1.0.0"`)); err != nil {
		t.Fatal(err)
	}
	small := fewColours(t, tb.picture())
	if len(small) > 60_000 {
		t.Errorf("the picture has %d bytes", len(small))
	}
	if *update {
		if err := os.WriteFile("../../../agent/page.png", small, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fewColours makes a picture a third as large.
func fewColours(t *testing.T, picture []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	to := image.NewPaletted(from.Bounds(), palette.Plan9)
	draw.Draw(to, to.Bounds(), from, from.Bounds().Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
