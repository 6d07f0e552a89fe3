//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/docker"
	"github.com/podhook/podhook/cmd/kubectl-podhook/rehearse/kubelet"
)

// kubelet reaches an agent that is closed in every way: TLS, a token, and the gateway of the
// pod's network as the only address. A preStop without the token is refused, and the stop
// signal runs shutdown all the same.
func TestClosedAgent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers []kubelet.Header
		refused int
	}{
		"token":    {[]kubelet.Header{{Name: "X-Podhook-Token", Value: token}}, 0},
		"no token": {nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secure := func(path string) *kubelet.HTTPGet {
				return &kubelet.HTTPGet{Scheme: "HTTPS", Port: "8080", Path: path, Headers: c.headers}
			}
			w := web("web", built.Layer, "PODHOOK_LISTEN=:8080", "PODHOOK_TLS=self-signed", "PODHOOK_TOKEN="+token, "PODHOOK_ALLOW_FROM=gateway")
			w.PostStart, w.PreStop = execHook("/podhook", "prestart"), &kubelet.Handler{HTTPGet: secure("/shutdown")}
			w.Readiness = probe(kubelet.Probe{HTTPGet: secure("/readyz")})
			r := rehearse(t, kubelet.Pod{Containers: []kubelet.Container{w}}, docker.Options{}, kubelet.Scenario{})
			if !r.EverReady {
				t.Error("never ready")
			}
			wantExit(t, r, "web", 0, 0)
			wantHookLogged(t, r, "web", "shutdown")
			wantLogged(t, r, "web", "gracefully shutting down", 1)
			wantLogged(t, r, "web", "a token is needed", c.refused)
		})
	}
}

// The seccomp profile of all these containers is in force, and narrower than the engine's.
func TestSeccompProfile(t *testing.T) {
	t.Parallel()
	s := newStarter(t, docker.Options{})
	p := s.start(kubelet.Container{Name: "main", Image: built.Layer, Command: []string{"sleep", "600"}})
	if code, output := run(t, p, "sh", "-c", "grep Seccomp: /proc/self/status"); code != 0 || !strings.Contains(output, "2") {
		t.Errorf("no filter: %d %s", code, output)
	}
	// What scripts do every day, and what podhook check does as root, is in it.
	for _, script := range []string{
		"mv a b", "mv -f b a", "ln a c", "ln -sf a l", "cp -a a d", "cp -al a e", "install -m 600 a f",
		"sync a", "sync -f a", "sed -i s/x/y/ a", "mkfifo p", "truncate -s 5 a", "ionice -c3 true",
		"timeout 0.1 tail -f a || [ $? = 124 ]", "tar cf t.tar a && tar xf t.tar",
		"PODHOOK_CONFIG_YAML='{hooks: {shutdown: {steps: [{exec: [id], user: nobody}]}}}' /podhook check",
	} {
		if code, output := run(t, p, "sh", "-c", "cd /tmp && touch a && "+script); code != 0 {
			t.Errorf("%s: exit code %d: %s", script, code, output)
		}
	}
	if code, output := run(t, p, "sh", "-c", "umask 0; echo 'hooks: {}' >/tmp/open.yaml; PODHOOK_CONFIG=/tmp/open.yaml /podhook check"); code != 2 || !strings.Contains(output, "every user can change") {
		t.Errorf("root's file that everybody can change: exit code %d: %s", code, output)
	}
	// The engine allows this call of personality(2).
	if code, output := run(t, p, "setarch", "--uname-2.6", "true"); code == 0 {
		t.Errorf("a call that is not in the profile succeeds: %s", output)
	}
}

// A hook of the sidecar cannot be called from another address than the one that is allowed.
func TestOtherNetworksAreRefused(t *testing.T) {
	t.Parallel()
	s := newStarter(t, docker.Options{})
	p := s.start(kubelet.Container{Name: "main", Image: built.Layer, Command: []string{"/podhook", "serve"}, Env: []string{"PODHOOK_ALLOW_FROM=127.0.0.1,::1"}})
	s.said("agent listens")
	if status, body := get(t, p, ":8080/shutdown"); status != 403 || !strings.Contains(body, "PODHOOK_ALLOW_FROM does not allow") {
		t.Errorf("from the host: %d %s", status, body)
	}
	if code, output := run(t, p, "/podhook", "http", "http://127.0.0.1:8080/shutdown"); code != 0 {
		t.Errorf("from inside: %d %s", code, output)
	}
}
