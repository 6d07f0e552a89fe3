// Package kubectl calls the user's kubectl, which knows the cluster and the right to it.
package kubectl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Client holds what every call of kubectl gets. It is safe for concurrent use once the
// flags are parsed.
type Client struct{ namespace, context, kubeconfig string }

// Flags declares the flags of kubectl that are passed on.
func (c *Client) Flags(flags *flag.FlagSet) {
	flags.StringVar(&c.namespace, "n", "", "the `NAMESPACE`")
	flags.StringVar(&c.namespace, "namespace", "", "the `NAMESPACE`")
	flags.StringVar(&c.context, "context", "", "the `CONTEXT` of the kubeconfig")
	flags.StringVar(&c.kubeconfig, "kubeconfig", "", "the `FILE` with the kubeconfig")
}

// Parse parses flags that may stand between and after the other words, and returns those.
func Parse(flags *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
			return words, err
		}
		words = append(words, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// Pod returns a Pod by its name.
func (c *Client) Pod(ctx context.Context, name string) (corev1.Pod, error) {
	var pod corev1.Pod
	name = strings.TrimPrefix(name, "pod/")
	if strings.Contains(name, "/") {
		return pod, fmt.Errorf("%q is no pod: write a pod's name, or status -l SELECTOR for the pods with these labels", name)
	}
	err := c.get(ctx, &pod, "get", "pod", "-o", "json", "--", name)
	return pod, err
}

// Pods returns the Pods with these labels.
func (c *Client) Pods(ctx context.Context, selector string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := c.get(ctx, &list, "get", "pods", "-o", "json", "--selector="+selector)
	return list.Items, err
}

func (c *Client) get(ctx context.Context, object any, args ...string) error {
	var out, errs bytes.Buffer
	if err := c.run(ctx, &out, &errs, args...); err != nil {
		var code ExitError
		if text := strings.TrimSpace(errs.String()); errors.As(err, &code) && text != "" {
			return fmt.Errorf("kubectl: %s", text)
		}
		return err
	}
	if err := json.Unmarshal(out.Bytes(), object); err != nil {
		return fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// ExitError is kubectl's exit code, which for Exec is that of the program.
type ExitError int

func (e ExitError) Error() string { return fmt.Sprintf("kubectl: exit code %d", int(e)) }

// Exec runs a program in the container of a place. The error is an ExitError or says why
// it could not run.
func (c *Client) Exec(ctx context.Context, p Place, stdout, stderr io.Writer, args ...string) error {
	var errs bytes.Buffer
	words := append([]string{"exec", p.Pod, "--container=" + p.Container, "--", p.Program}, args...)
	err := c.run(ctx, stdout, io.MultiWriter(stderr, &errs), words...)
	text := errs.String()
	// So say containerd and CRI-O, with differing exit codes.
	missing := strings.Contains(text, "no such file or directory") || strings.Contains(text, "executable file not found")
	if err != nil && missing && strings.Contains(text, p.Program) {
		return fmt.Errorf("pod %s, container %s: there is no podhook: %s does not exist; -c chooses another container", p.Pod, p.Container, p.Program)
	}
	return err
}

func (c *Client) run(ctx context.Context, stdout, stderr io.Writer, args ...string) error {
	var global []string
	for _, f := range [][2]string{{"--namespace=", c.namespace}, {"--context=", c.context}, {"--kubeconfig=", c.kubeconfig}} {
		if f[1] != "" {
			global = append(global, f[0]+f[1])
		}
	}
	cmd := exec.CommandContext(ctx, "kubectl", append(global, args...)...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("kubectl is not in PATH: install it (kubernetes.io/docs/tasks/tools)")
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return ExitError(exit.ExitCode())
	}
	return err
}
