package prove

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/agent/access"
	"github.com/podhook/podhook/agent/settings"
	"github.com/podhook/podhook/hooks/config"
)

// user is a container with podhook, and its settings and hooks as podhook reads them.
type user struct {
	corev1.Container
	settings *settings.Settings
	config   *agent.Configuration
	// words are the command line of podhook in this container, if it is one.
	words []string
}

// users are the containers of a pod that have settings of podhook or run it.
func users(t *testing.T, p pod) []user {
	t.Helper()
	var all []user
	for _, c := range p.containers() {
		words := podhookWords(c)
		if words == nil && !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return strings.HasPrefix(e.Name, settings.Prefix) }) {
			continue
		}
		var environ []string
		for _, row := range settings.Table() {
			t.Setenv(row.Name, "")
		}
		for _, e := range c.Env {
			t.Setenv(e.Name, e.Value)
			environ = append(environ, e.Name+"="+e.Value)
		}
		s, err := settings.Load(environ)
		if err != nil {
			t.Fatalf("container %s: %v", c.Name, err)
		}
		source := agent.SourceOf(s, environ)
		source.Dir = configured(t, p, c)
		cfg, err := agent.LoadConfiguration(source, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("container %s: %v", c.Name, err)
		}
		all = append(all, user{c, s, cfg, words})
	}
	return all
}

// podhookWords are the words after podhook's own name, nil where the container
// does not start it. An image of podhook has it as its entrypoint.
func podhookWords(c corev1.Container) []string {
	if len(c.Command) == 0 && strings.Contains(c.Image, "/podhook:") {
		return c.Args
	}
	if len(c.Command) == 0 && slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "PODHOOK_METRICS_LISTEN" }) {
		return append([]string{"run"}, c.Args...) // the entrypoint of a base image: deploy/docker
	}
	if len(c.Command) > 0 && path.Base(c.Command[0]) == "podhook" {
		return append(slices.Clone(c.Command[1:]), c.Args...)
	}
	return nil
}

// configured returns a directory with the files that the container has in /etc/podhook.
func configured(t *testing.T, p pod, c corev1.Container) string {
	t.Helper()
	dir := t.TempDir()
	for _, mount := range c.VolumeMounts {
		if mount.MountPath != config.DefaultDir {
			continue
		}
		source := volume(t, p, mount.Name).ConfigMap
		if source == nil || p.maps[source.Name] == nil {
			t.Fatalf("container %s: the ConfigMap of %s is not among the manifests", c.Name, mount.MountPath)
		}
		for name, text := range p.maps[source.Name] {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func volume(t *testing.T, p pod, name string) corev1.Volume {
	t.Helper()
	for _, v := range p.spec.Volumes {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("there is no volume %q", name)
	return corev1.Volume{}
}

// runsHooks is false for a container that only installs podhook.
func (u user) runsHooks() bool { return len(u.words) == 0 || u.words[0] != "install" }

// The budgets of hooks fit the grace period of the pod.
func TestBudgets(t *testing.T) {
	everyPod(t, func(t *testing.T, p pod) {
		proved := 0
		for _, u := range users(t, p) {
			if !u.runsHooks() {
				continue
			}
			proved++
			grace := 30 * time.Second // Kubernetes' default
			if s := p.spec.TerminationGracePeriodSeconds; s != nil {
				grace = time.Duration(*s) * time.Second
			}
			if u.settings.GracePeriod != grace {
				t.Errorf("container %s: PODHOOK_GRACE_PERIOD is %v, terminationGracePeriodSeconds %v", u.Name, u.settings.GracePeriod, grace)
			}
			problems(t, hooksOf(t, u), u.settings)
		}
		if proved == 0 && p.source != "../workload" {
			t.Error("no container has podhook")
		}
	})
}

func hooksOf(t *testing.T, u user) *config.Config {
	t.Helper()
	cfg, err := u.config.Get()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func problems(t *testing.T, cfg *config.Config, s *settings.Settings) {
	t.Helper()
	for _, problem := range append(cfg.Check(s.GracePeriod, s.GraceMargin), cfg.Warnings...) {
		t.Errorf("%v", problem)
	}
}

// A step that needs the main process has one: podhook run's child or PODHOOK_MAIN.
func TestMainIsKnown(t *testing.T) {
	everyPod(t, func(t *testing.T, p pod) {
		for _, u := range users(t, p) {
			started := len(u.words) > 0 && u.words[0] == "run"
			if started || u.settings.Main != "" {
				continue
			}
			for _, problem := range hooksOf(t, u).NeedMain() {
				t.Errorf("container %s: %v", u.Name, problem)
			}
		}
	})
}

// A sidecar can signal the main process: it sees it, and has its user (kill(2)).
func TestSidecarsReachTheMainProcess(t *testing.T) {
	everyPod(t, func(t *testing.T, p pod) {
		for _, u := range users(t, p) {
			if !isSidecar(u.Container) || u.settings.Main == "" {
				continue
			}
			if shares := p.spec.ShareProcessNamespace; shares == nil || !*shares {
				t.Error("PODHOOK_MAIN without shareProcessNamespace")
			}
			for _, c := range p.spec.Containers {
				if uid(p, c) != uid(p, u.Container) {
					t.Errorf("podhook runs as user %d, container %s as %d", uid(p, u.Container), c.Name, uid(p, c))
				}
			}
		}
	})
}

// uid is the user of a container; -1 is the image's.
func uid(p pod, c corev1.Container) int64 {
	if c.SecurityContext != nil && c.SecurityContext.RunAsUser != nil {
		return *c.SecurityContext.RunAsUser
	}
	if s := p.spec.SecurityContext; s != nil && s.RunAsUser != nil {
		return *s.RunAsUser
	}
	return -1
}

// answering is an agent by its ports: the main one, and that of probes and metrics alone.
type answering struct {
	user
	acts bool
}

// ports are where the container's agent listens.
func (u user) ports(t *testing.T) map[int]answering {
	t.Helper()
	found := map[int]answering{}
	if len(u.words) == 0 {
		return found
	}
	main := string(u.settings.Listen)
	if main == "" && u.words[0] == "serve" {
		main = ":8080" // serve listens there where it is unset
	}
	for address, acts := range map[string]bool{main: true, string(u.settings.MetricsListen): false} {
		if address == "" {
			continue
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			t.Errorf("container %s listens on %s: kubelet calls the pod's address", u.Name, address)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		found[n] = answering{u, acts}
	}
	return found
}

// Every httpGet goes to a port on which an agent of the pod listens, and to a path of this
// agent. The test uses a method that the agent refuses, so that no hook runs.
func TestHTTPCallsAreAnswered(t *testing.T) {
	everyPod(t, func(t *testing.T, p pod) {
		agents := map[int]answering{}
		for _, u := range users(t, p) {
			maps.Copy(agents, u.ports(t))
		}
		for _, c := range p.containers() {
			for where, call := range httpCalls(c) {
				port := number(t, c, call.Port)
				u, ok := agents[port]
				if !ok {
					t.Errorf("container %s, %s: no agent listens on port %d", c.Name, where, port)
					continue
				}
				if call.Scheme != "" && call.Scheme != corev1.URISchemeHTTP {
					t.Errorf("container %s, %s: scheme %s", c.Name, where, call.Scheme)
				}
				a := &agent.Agent{Settings: u.settings, Configuration: u.config, Logger: slog.New(slog.DiscardHandler)}
				handler := a.MetricsHandler()
				if u.acts {
					handler = a.Handler()
				}
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, httptest.NewRequest("DELETE", call.Path, nil))
				if answer.Code != 405 {
					t.Errorf("container %s, %s: %s answers %d: %s", c.Name, where, call.Path, answer.Code, answer.Body)
				}
			}
		}
	})
}

// Not everybody can run the hooks of any manifest: they are called by exec, or the port is
// closed by a NetworkPolicy, or a token is needed, which kubelet sends.
func TestHooksAreClosed(t *testing.T) {
	closed := 0
	everyPod(t, func(t *testing.T, p pod) {
		for _, u := range users(t, p) {
			for port, a := range u.ports(t) {
				if !a.acts {
					continue
				}
				rights, err := agent.NewAccess(u.settings, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				if rights.Open() && p.reachable(port) {
					t.Errorf("container %s: everybody can run the hooks at port %d", u.Name, port)
				}
				closed++
				for _, c := range p.containers() {
					for where, h := range lifecycle(c) {
						if h.HTTPGet == nil || number(t, c, h.HTTPGet.Port) != port {
							continue
						}
						if refusal := rights.Check(asKubelet(h.HTTPGet), access.Hook); refusal != nil {
							t.Errorf("container %s, %s: kubelet is refused: %v", c.Name, where, refusal)
						}
					}
				}
			}
		}
	})
	if closed < 4 {
		t.Errorf("only %d ports were looked at", closed)
	}
}

func asKubelet(call *corev1.HTTPGetAction) *http.Request {
	req := httptest.NewRequest("GET", call.Path, nil)
	req.Header.Set("User-Agent", "kube-lifecycle/1.34")
	for _, h := range call.HTTPHeaders {
		req.Header.Add(h.Name, h.Value)
	}
	return req
}

// reachable reports whether other pods reach a TCP port, by the policies beside the pod.
func (p pod) reachable(port int) bool {
	selected, allowed := false, false
	for _, policy := range *p.policies {
		selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		if err != nil || !selector.Matches(labels.Set(p.meta.Labels)) || !slices.Contains(policy.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
			continue
		}
		selected = true
		for _, rule := range policy.Spec.Ingress {
			for _, open := range rule.Ports {
				first := open.Port.IntValue()
				last := first
				if open.EndPort != nil {
					last = int(*open.EndPort)
				}
				allowed = allowed || *open.Protocol == corev1.ProtocolTCP && first <= port && port <= last
			}
			allowed = allowed || len(rule.Ports) == 0
		}
	}
	return !selected || allowed
}

func httpCalls(c corev1.Container) map[string]*corev1.HTTPGetAction {
	calls := map[string]*corev1.HTTPGetAction{}
	for where, h := range lifecycle(c) {
		if h.HTTPGet != nil {
			calls[where] = h.HTTPGet
		}
	}
	for where, probe := range probes(c) {
		if probe.HTTPGet != nil {
			calls[where] = probe.HTTPGet
		}
	}
	return calls
}

func lifecycle(c corev1.Container) map[string]*corev1.LifecycleHandler {
	handlers := map[string]*corev1.LifecycleHandler{}
	if c.Lifecycle == nil {
		return handlers
	}
	if c.Lifecycle.PostStart != nil {
		handlers["postStart"] = c.Lifecycle.PostStart
	}
	if c.Lifecycle.PreStop != nil {
		handlers["preStop"] = c.Lifecycle.PreStop
	}
	return handlers
}

func probes(c corev1.Container) map[string]*corev1.Probe {
	found := map[string]*corev1.Probe{}
	for where, probe := range map[string]*corev1.Probe{
		"startupProbe": c.StartupProbe, "readinessProbe": c.ReadinessProbe, "livenessProbe": c.LivenessProbe,
	} {
		if probe != nil {
			found[where] = probe
		}
	}
	return found
}

// number looks a port's name up, as kubelet does, among the container's own.
func number(t *testing.T, c corev1.Container, port intstr.IntOrString) int {
	t.Helper()
	if port.Type == intstr.Int {
		return port.IntValue()
	}
	for _, known := range c.Ports {
		if known.Name == port.StrVal {
			return int(known.ContainerPort)
		}
	}
	t.Errorf("container %s has no port %q", c.Name, port.StrVal)
	return -1
}

// Every program that a manifest starts is podhook with an existing command. It is in the
// image, in a volume into which it is installed, or in an image volume.
func TestExecsAreThere(t *testing.T) {
	known := help(t)
	everyPod(t, func(t *testing.T, p pod) {
		for _, c := range p.containers() {
			commands := map[string][]string{}
			for where, h := range lifecycle(c) {
				if h.Exec != nil {
					commands[where] = h.Exec.Command
				}
			}
			for where, probe := range probes(c) {
				if probe.Exec != nil {
					commands[where] = probe.Exec.Command
				}
			}
			for where, argv := range commands {
				if err := known.check(argv[1:]); err != nil {
					t.Errorf("container %s, %s: %v", c.Name, where, err)
				}
				if err := there(t, p, c, argv); err != nil {
					t.Errorf("container %s, %s: %v", c.Name, where, err)
				}
			}
			if words := podhookWords(c); words != nil {
				if err := known.check(words); err != nil {
					t.Errorf("container %s: %v", c.Name, err)
				}
			}
		}
	})
}

func there(t *testing.T, p pod, c corev1.Container, argv []string) error {
	t.Helper()
	if path.Base(argv[0]) != "podhook" {
		return fmt.Errorf("%q is not podhook", argv[0])
	}
	dir := path.Dir(argv[0])
	if dir == "/" || dir == "." {
		return nil // of the image, where a base image's layer puts it
	}
	for _, mount := range c.VolumeMounts {
		if mount.MountPath != dir {
			continue
		}
		if !mount.ReadOnly {
			return fmt.Errorf("%s can be written by the application", dir)
		}
		v := volume(t, p, mount.Name)
		if v.Image != nil || v.EmptyDir != nil && installs(p, mount.Name) {
			return nil
		}
		return fmt.Errorf("nothing puts podhook into the volume %s", mount.Name)
	}
	return fmt.Errorf("nothing is mounted at %s", dir)
}

// installs says whether an init container runs podhook install into the volume.
func installs(p pod, volume string) bool {
	return slices.ContainsFunc(p.spec.InitContainers, func(c corev1.Container) bool {
		words := podhookWords(c)
		return len(words) == 2 && words[0] == "install" &&
			slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
				return m.Name == volume && m.MountPath == words[1] && !m.ReadOnly
			})
	})
}
