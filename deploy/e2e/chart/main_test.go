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

// reds counts the pixels of the first way to stop.
func reds(picture image.Image) int {
	n := 0
	for y := range picture.Bounds().Max.Y {
		for x := range picture.Bounds().Max.X {
			if r, g, b, _ := picture.At(x, y).RGBA(); r>>8 == 0xd5 && g>>8 == 0x5e && b>>8 == 0 {
				n++
			}
		}
	}
	return n
}

func TestWhatIsLostIsSeen(t *testing.T) {
	legend := reds(drawn(t, `[{"server": "nginx", "variant": "bare", "withdrawal": 1, "stops": 2, "secondsToStop": {"most": 6}},
		{"server": "nginx", "variant": "podhook", "withdrawal": 1, "stops": 2, "failed": 9, "secondsToStop": {"most": 6}}]`))
	some := reds(drawn(t, `[{"server": "nginx", "variant": "bare", "withdrawal": 1, "stops": 2, "failed": 9, "cutShort": 1, "secondsToStop": {"most": 6}},
		{"server": "nginx", "variant": "podhook", "withdrawal": 1, "stops": 2, "secondsToStop": {"most": 6}}]`))
	if legend == 0 || some < legend+1000 {
		t.Errorf("%d red pixels where nothing is lost, %d where much is", legend, some)
	}
}

// A figure that misses its goal has another colour, and a longer bar.
func TestCostsAreDrawn(t *testing.T) {
	count := func(figure string) (blue, red int) {
		picture := drawn(t, `{"rows": [{"figure": "a", "podhook": `+figure+`, "goal": 2}, {"figure": "b", "podhook": 9}, {"figure": "c", "goal": 1, "missing": "no"}]}`)
		for y := range picture.Bounds().Max.Y {
			for x := range picture.Bounds().Max.X {
				switch r, g, b, _ := picture.At(x, y).RGBA(); [3]uint32{r >> 8, g >> 8, b >> 8} {
				case [3]uint32{0x00, 0x5b, 0xb5}:
					blue++
				case [3]uint32{0xc9, 0x40, 0x00}:
					red++
				}
			}
		}
		return blue, red
	}
	good, none := count("1")
	if good < 1000 || none != 0 {
		t.Errorf("%d blue and %d red pixels where the goal is met", good, none)
	}
	if none, bad := count("4"); none != 0 || bad < 3*good {
		t.Errorf("%d blue and %d red pixels where it is missed by as much again, %d blue where half of it is used", none, bad, good)
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
