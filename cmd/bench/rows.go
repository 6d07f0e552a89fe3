package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// bench measures one binary.
type bench struct {
	podhook        string
	rounds, agents int
	check          bool   // the quick rows alone
	dir            string // on a disk if there is one

	inits               []initProgram
	empty, http, client string // the programs of floor
}

// initProgram is one init and its arguments before the command.
type initProgram struct {
	name string
	argv []string
}

// with returns the command line that starts command under the init.
func (i initProgram) with(command ...string) []string {
	return append(append([]string(nil), i.argv...), command...)
}

// all measures all rows.
func (b *bench) all() ([]row, error) {
	if err := b.prepare(); err != nil {
		return nil, err
	}
	measures := []func() ([]row, error){
		b.size, b.counts, b.versions, b.starts, b.hooks, b.calls, b.signals, b.exits,
	}
	if !b.check {
		measures = append(measures, b.idleInits, b.idleAgent, b.manyAgents, b.growth, b.look)
	}
	var all []row
	for _, measure := range measures {
		rows, err := measure()
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// prepare finds the other inits and builds the small programs.
func (b *bench) prepare() error {
	if _, err := os.Stat(b.podhook); err != nil {
		return fmt.Errorf("no podhook: make build: %w", err)
	}
	b.inits = []initProgram{{"podhook", []string{b.podhook, "run", "-s", "--"}}}
	for _, other := range []initProgram{{"tini", []string{"tini", "-s", "--"}}, {"dumb-init", []string{"dumb-init", "--"}}, {"catatonit", []string{"catatonit", "--"}}} {
		if path, err := exec.LookPath(other.argv[0]); err == nil {
			other.argv[0] = path
			b.inits = append(b.inits, other)
		}
	}
	for name, path := range map[string]*string{"empty": &b.empty, "http": &b.http, "metrics": &b.client} {
		*path = filepath.Join(b.dir, name)
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", *path, "github.com/podhook/podhook/cmd/bench/floor/"+name)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return nil
}

// place is a file system for the state.
type place struct{ name, dir, missing string }

// places returns a tmpfs, and a disk, as a container's /run is.
func (b *bench) places() []place {
	all := []place{{name: "tmpfs", dir: "/dev/shm"}, {name: "disk", dir: b.dir}}
	for i, p := range all {
		if onTmpfs(p.dir) != (p.name == "tmpfs") {
			all[i].missing = "no " + p.name + " at " + filepath.Dir(p.dir)
		}
	}
	return all
}

func onTmpfs(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Type == unix.TMPFS_MAGIC
}

// size is of the binary.
func (b *bench) size() ([]row, error) {
	info, err := os.Stat(b.podhook)
	if err != nil {
		return nil, err
	}
	return []row{{Figure: "binary", Podhook: float64(info.Size()), Unit: "bytes", Goal: new(10_400_000.0), Exact: true}}, nil
}

// others lists figures of other programs.
func others(names []string, value func(i int) string) string {
	var list []string
	for i, name := range names {
		list = append(list, name+" "+value(i))
	}
	return strings.Join(list, ", ")
}
