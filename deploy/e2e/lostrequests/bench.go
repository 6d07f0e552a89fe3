package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/podhook/podhook/deploy/e2e/images"
	"github.com/podhook/podhook/deploy/e2e/lostrequests/answers"
)

//go:embed nginx.conf
var nginxConf string

//go:embed haproxy.cfg
var haproxyCfg string

func servers() []server {
	return []server{
		{"nginx", []string{"nginx"}, "nginx", "QUIT", "/etc/nginx/nginx.conf", nginxConf},
		{"haproxy", []string{"haproxy", "-W", "-db", "-f", "/etc/haproxy.cfg"}, "haproxy", "USR1", "/etc/haproxy.cfg", haproxyCfg},
		{"plain", []string{"/plain"}, "plain", "", "/plain", ""},
	}
}

// bench is what all cycles share.
type bench struct {
	images   images.Set
	dir      string
	bin      string            // a volume with podhook installed
	files    map[string]string // what is mounted, by the name of the server
	upstream *http.Server
}

func newBench(ctx context.Context, set images.Set) (*bench, error) {
	dir, err := os.MkdirTemp("", "lostrequests-")
	if err != nil {
		return nil, err
	}
	b := &bench{images: set, dir: dir, bin: filepath.Join(dir, "bin"), files: map[string]string{}}
	if err := b.setUp(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) setUp(ctx context.Context) error {
	gateway, err := engine(ctx, "network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge")
	if err != nil {
		return err
	}
	// The engine may not show the address of the bridge.
	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(gateway, "172.17.0.1"), "0"))
	if err != nil {
		return err
	}
	b.upstream = &http.Server{Handler: answers.Handler()}
	go func() { _ = b.upstream.Serve(listener) }() // until close
	for _, s := range servers() {
		path := filepath.Join(b.dir, s.name)
		b.files[s.name] = path
		if s.template == "" {
			if err := build(ctx, path); err != nil {
				return err
			}
			continue
		}
		text := strings.ReplaceAll(s.template, "UPSTREAM", listener.Addr().String())
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.Mkdir(b.bin, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(b.bin, 0o777); err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	_, err = engine(ctx, "run", "--rm", "--volume", b.bin+":/podhook-bin", b.images.Podhook, "install", "/podhook-bin")
	return err
}

// build builds the plain server.
func build(ctx context.Context, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/podhook/podhook/deploy/e2e/lostrequests/plain")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func (b *bench) close() {
	if b.upstream != nil {
		_ = b.upstream.Close()
	}
	_ = os.RemoveAll(b.dir)
}

func engine(ctx context.Context, args ...string) (string, error) {
	output, err := exec.CommandContext(ctx, "docker", args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("docker %s: %s", args[0], exit.Stderr)
	}
	return strings.TrimSpace(string(output)), err
}

// job is one cycle to do.
type job struct {
	server     server
	variant    variant
	withdrawal time.Duration
	n          int
}

// measure plays all cycles. The variants take turns, so that other load on the machine
// affects all of them alike.
func (b *bench) measure(ctx context.Context, withdrawals []time.Duration, cycles, parallel int) ([]result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan job)
	sums := newSums(withdrawals)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for j := range jobs {
				c, err := b.cycle(ctx, j)
				if err != nil {
					cancel(fmt.Errorf("%s, %s, withdrawn after %v: %w", j.server.name, j.variant.name, j.withdrawal, err))
					continue
				}
				sums.add(j, c)
			}
		})
	}
	for n := range cycles {
		fmt.Fprintf(os.Stderr, "stop %d of %d\n", n+1, cycles)
		for j := range all(withdrawals) {
			j.n = n
			select {
			case jobs <- j:
			case <-ctx.Done():
			}
		}
	}
	close(jobs)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return sums.results(), nil
}

// all yields a job of each kind, in the order of the results.
func all(withdrawals []time.Duration) iter.Seq[job] {
	return func(yield func(job) bool) {
		for _, s := range servers() {
			for _, v := range variants() {
				for _, w := range withdrawals {
					if !yield(job{server: s, variant: v, withdrawal: w}) {
						return
					}
				}
			}
		}
	}
}
