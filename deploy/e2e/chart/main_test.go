package main

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

func drawn(t *testing.T, results string) image.Image {
	t.Helper()
	from, to := filepath.Join(t.TempDir(), "r.json"), filepath.Join(t.TempDir(), "r.png")
	if err := os.WriteFile(from, []byte(results), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(from, to); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// reds counts the pixels of what has failed.
func reds(picture image.Image) int {
	n := 0
	for y := range picture.Bounds().Max.Y {
		for x := range picture.Bounds().Max.X {
			if r, g, b, _ := picture.At(x, y).RGBA(); r>>8 == 0xc0 && g>>8 == 0x39 && b>>8 == 0x2b {
				n++
			}
		}
	}
	return n
}

func TestWhatFailedIsSeen(t *testing.T) {
	legend := reds(drawn(t, `[{"server": "nginx", "variant": "podhook", "stops": 2, "cutShort": 1, "secondsToStop": {"median": 6}}]`))
	some := reds(drawn(t, `[{"server": "nginx", "variant": "podhook", "stops": 2, "failed": 9, "cutShort": 1, "secondsToStop": {"median": 6}}]`))
	if legend == 0 || some < legend+1000 {
		t.Errorf("%d red pixels where nothing failed, %d where much did", legend, some)
	}
}

func TestNoResults(t *testing.T) {
	from := filepath.Join(t.TempDir(), "r.json")
	for _, text := range []string{"[]", "{", ""} {
		if err := os.WriteFile(from, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := run(from, filepath.Join(t.TempDir(), "r.png")); err == nil {
			t.Errorf("%q is drawn", text)
		}
	}
}
