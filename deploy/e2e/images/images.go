// Package images builds the images that the tests on the engine use.
package images

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed Dockerfile nginx.conf
var files embed.FS

// buildLimit bounds the build of one image, packages included.
const buildLimit = 10 * time.Minute

// Set are the names of the images.
type Set struct {
	// Podhook is the image of the Dockerfile: PODHOOK_IMAGE, or podhook-e2e.
	Podhook string
	// Web is Debian with nginx and HAProxy, without podhook.
	Web string
	// Layer is Web with podhook as its init.
	Layer string
	// Bare holds podhook alone, as its init and as its command.
	Bare string
}

// Build builds all images but Podhook, which `make e2e` has built. The engine's
// own cache makes the second time quick.
func Build(ctx context.Context) (Set, error) {
	podhook := cmp.Or(os.Getenv("PODHOOK_IMAGE"), "podhook-e2e")
	s := Set{Podhook: podhook, Web: podhook + "-web", Layer: podhook + "-layer", Bare: podhook + "-bare"}
	dir, err := os.MkdirTemp("", "podhook-e2e-")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	if err := write(dir); err != nil {
		return s, err
	}
	for target, name := range map[string]string{"web": s.Web, "layer": s.Layer, "bare": s.Bare} {
		if err := build(ctx, dir, podhook, target, name); err != nil {
			return s, err
		}
	}
	return s, nil
}

func write(dir string) error {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := files.ReadFile(e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func build(ctx context.Context, dir, podhook, target, name string) error {
	ctx, cancel := context.WithTimeout(ctx, buildLimit)
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", "build", "--build-arg", "PODHOOK="+podhook, "--target", target, "-t", name, dir)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("image %s: %w\n%s", name, err, output.Bytes())
	}
	return nil
}
