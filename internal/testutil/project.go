package testutil

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Project writes the files of a ConfigMap or a Secret into a volume as kubelet's
// AtomicWriter does: a new directory with a time in its name, a link ..data_tmp that is
// renamed over ..data, links for the names, and the old directory is removed.
func Project(t testing.TB, volume string, files map[string]string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(volume, 0o755))
	old, _ := os.Readlink(filepath.Join(volume, "..data"))
	dir, err := os.MkdirTemp(volume, "..2026_11_27_04_20_53.")
	must(err)
	must(os.Chmod(dir, 0o755))
	for name, text := range files {
		file := filepath.Join(dir, name)
		must(os.MkdirAll(filepath.Dir(file), 0o755))
		must(os.WriteFile(file, []byte(text), 0o644))
	}
	must(os.Symlink(filepath.Base(dir), filepath.Join(volume, "..data_tmp")))
	must(os.Rename(filepath.Join(volume, "..data_tmp"), filepath.Join(volume, "..data")))
	for name := range files {
		first, _, _ := strings.Cut(name, "/")
		if err := os.Symlink("..data/"+first, filepath.Join(volume, first)); !errors.Is(err, os.ErrExist) {
			must(err)
		}
	}
	if old != "" {
		must(os.RemoveAll(filepath.Join(volume, old)))
	}
}
