package lint

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/podhook/podhook/agent"
	"github.com/podhook/podhook/hooks/config"
)

// hookPort finds requests to ports where nobody listens.
func hookPort(p *pod) (list []finding) {
	for _, k := range p.calls() {
		if k.port == 0 {
			list = append(list, found(k.at("port"), k.Port.String(), "the container has no port of this name: declare it under ports, or write a number"))
			continue
		}
		if _, ours := p.listener(k); ours || !k.toPod {
			continue
		}
		declared := slices.ContainsFunc(p.containers, func(c *container) bool { return c.declares(k.port) })
		switch forPodhook := p.hasPodhook() && p.isPodhookPath(k.path()); {
		case k.isHook() && forPodhook:
			list = append(list, found(k.at("port"), k.Port.String(), "podhook does not listen there: "+p.whereItListens(k.port)))
		case k.isHook() && !declared:
			list = append(list, found(k.at("port"), k.Port.String(),
				"no container of the pod declares the port, and podhook does not listen there; a hook that is refused is not repeated: write another port, or declare this one under ports"))
		}
	}
	return list
}

// portTaken finds agents whose port another container of the pod has: all have one network.
func portTaken(p *pod) (list []finding) {
	first := map[int]*container{}
	for _, l := range p.listeners() {
		other := first[l.port]
		if first[l.port] = l.c; other == nil {
			for _, c := range p.containers {
				if c != l.c && c.declares(l.port) {
					other = c
				}
			}
		}
		if other != nil && other != l.c {
			list = append(list, found(l.c.at("env", l.setting), fmt.Sprint(l.port), "the container "+other.Name+" has this port, and the pod has one network: write another port"))
		}
	}
	return list
}

// whereItListens says which port to write, or how to make podhook listen.
func (p *pod) whereItListens(port int) string {
	for _, l := range p.listeners() {
		if l.acts {
			return fmt.Sprintf("write %d, where hooks are called in the container %s", l.port, l.c.Name)
		}
	}
	return fmt.Sprintf("set PODHOOK_LISTEN=:%d for podhook run or serve, or call the hook by exec", port)
}

// hookPath finds requests to podhook for which it has no answer, or which run no hook.
func hookPath(p *pod) (list []finding) {
	for _, k := range p.calls() {
		l, ours := p.listener(k)
		hooks := l.hooks()
		switch {
		case !ours || hooks == nil && l.acts:
		case !agent.Answers(k.path(), hooks, l.acts):
			list = append(list, found(k.at("path"), k.Path, notAnswered(k, l, hooks)))
		case k.isHook() && agent.Answers(k.path(), hooks, false):
			list = append(list, found(k.at("path"), k.Path, "podhook runs no hook there: write /shutdown, /prestart or /hooks/NAME"))
		}
	}
	return list
}

// hooks returns what the agent runs, or nil if the input does not have it.
func (l listener) hooks() *config.Config {
	if l.c == nil {
		return nil
	}
	if l.c.hooks == nil && !l.acts {
		return &config.Config{}
	}
	return l.c.hooks
}

func notAnswered(k call, l listener, hooks *config.Config) string {
	switch near := agent.NearestPath(k.path(), hooks); {
	case !l.acts && agent.NearestPath(k.path(), &config.Config{}) == k.path():
		return "at " + l.setting + " podhook answers probes, metrics and status alone: hooks are called at PODHOOK_LISTEN"
	case near == "":
		return "podhook has nothing there: write /shutdown, /prestart or /hooks/NAME, or add the path to the paths of a hook"
	default:
		return "podhook has nothing there: write " + near + ", or add the path to the paths of a hook"
	}
}

// hookName finds exec'd hooks that the configuration does not have.
func hookName(p *pod) (list []finding) {
	for _, c := range p.containers {
		for _, e := range c.execs() {
			words := e.podhookWords()
			if len(words) < 2 || words[0] != "hook" || strings.HasPrefix(words[1], "-") || c.hooks == nil || c.hooks.Hooks[words[1]] != nil {
				continue
			}
			msg := "the configuration has no such hook"
			var names []string
			for name := range c.hooks.Hooks {
				names = append(names, name)
			}
			slices.Sort(names)
			if meant := config.MeantHook(words[1]); meant != "" {
				msg += ": write " + meant
			} else if near := config.Nearest(words[1], names); near != "" {
				msg += ": write " + near
			} else {
				msg += ": it has " + strings.Join(names, ", ")
			}
			list = append(list, found(c.at(append(strings.Split(e.where, "."), "exec", "command")...), words[1], msg))
		}
	}
	return list
}

// hookWait finds a preStop that is over before its hook is.
func hookWait(p *pod) (list []finding) {
	for _, k := range p.hookCalls() {
		_, query, _ := strings.Cut(k.Path, "?")
		values, err := url.ParseQuery(query)
		if _, ours := p.listener(k); ours && err == nil && values.Get("wait") == "false" && k.where == "lifecycle.preStop" {
			list = append(list, found(k.at("path"), k.Path, "podhook answers before the hook has run, and kubelet sends the stop signal at once: write "+k.path()))
		}
	}
	return list
}

// hookScheme finds requests in TLS to an agent without it, and the other way round.
func hookScheme(p *pod) (list []finding) {
	for _, k := range p.calls() {
		l, ours := p.listener(k)
		switch {
		case !ours || l.tls == k.https():
		case l.tls:
			list = append(list, found(k.at("scheme"), "HTTP", "podhook speaks TLS there and closes the connection: write scheme: HTTPS"))
		case k.isHook():
			list = append(list, found(k.at("scheme"), "HTTPS", "podhook does not speak TLS there, and kubelet repeats the hook over HTTP: write scheme: HTTP, or set PODHOOK_TLS=self-signed"))
		default:
			list = append(list, found(k.at("scheme"), "HTTPS", "podhook does not speak TLS there, and the probe fails: write scheme: HTTP, or set PODHOOK_TLS=self-signed"))
		}
	}
	return list
}

// httpsAuthorization finds tokens that kubelet drops when it falls back to HTTP
// (deploy/kubernetes/kubelet.md, preStop httpGet).
func httpsAuthorization(p *pod) (list []finding) {
	for _, k := range p.hookCalls() {
		if l, ours := p.listener(k); ours && l.tls || !k.https() {
			continue
		}
		if _, has := k.header("Authorization"); has {
			list = append(list, found(k.at("httpHeaders", "Authorization"), "",
				"if the port does not speak TLS, kubelet repeats the request over HTTP without Authorization: write X-Podhook-Token, which it keeps"))
		}
	}
	return list
}

// hookToken finds hooks that podhook refuses. kubelet takes the refusal for success.
func hookToken(p *pod) (list []finding) {
	for _, k := range p.hookCalls() {
		l, ours := p.listener(k)
		if !ours || !l.acts {
			continue
		}
		s := l.c.settings
		tokens := s.Token != "" || s.TokenFile != "" || l.c.unsure["PODHOOK_TOKEN"] || l.c.unsure["PODHOOK_TOKEN_FILE"]
		given, has := k.header("X-Podhook-Token")
		if !has {
			given, has = k.header("Authorization")
			if scheme, token, _ := strings.Cut(given, " "); strings.EqualFold(scheme, "Bearer") {
				given = token
			}
		}
		switch {
		case !tokens && s.TLSClientCAFile != "":
			list = append(list, found(k.at(), "", "podhook wants a client certificate, and kubelet has none: set PODHOOK_TOKEN_FILE too, and write the token into httpHeaders"))
		case tokens && !has:
			list = append(list, found(k.at("httpHeaders"), "", "podhook wants a token and refuses this call, which kubelet takes for success: write {name: X-Podhook-Token, value: TOKEN}, or call the hook by exec"))
		case s.Token != "" && given != string(s.Token):
			list = append(list, found(k.at("httpHeaders"), "", "the token is not that of PODHOOK_TOKEN: podhook refuses this call, which kubelet takes for success"))
		}
	}
	return list
}

// hostNetwork finds hooks that kubelet cannot send (deploy/kubernetes/kubelet.md).
func hostNetwork(p *pod) (list []finding) {
	for _, k := range p.hookCalls() {
		if p.Spec.HostNetwork && k.Host == "" {
			list = append(list, found(k.at(), "", "kubelet sends no request in a pod with hostNetwork, and the hook always fails: write host: 127.0.0.1"))
		}
	}
	return list
}

// loopbackHost finds requests to the node instead of the pod.
func loopbackHost(p *pod) (list []finding) {
	for _, k := range p.calls() {
		if !p.Spec.HostNetwork && isLoopback(k.Host) {
			list = append(list, found(k.at("host"), k.Host, "is the node's own address, not the pod's: leave host out"))
		}
	}
	return list
}

// loopbackListen finds agents that kubelet cannot reach.
func loopbackListen(p *pod) (list []finding) {
	for _, k := range p.calls() {
		if l, ours := p.listener(k); ours && k.Host == "" && isLoopback(l.host) {
			list = append(list, found(k.at("port"), k.Port.String(), fmt.Sprintf(
				"kubelet calls the pod's address, and podhook in the container %s listens on %s alone: write %s=:%d", l.c.Name, l.host, l.setting, l.port)))
		}
	}
	return list
}

// postStartHTTP finds requests that can come before anybody listens: kubelet sends them 2 ms
// after the start, once (deploy/kubernetes/kubelet.md).
func postStartHTTP(p *pod) (list []finding) {
	for _, k := range p.hookCalls() {
		if k.where != "lifecycle.postStart" || !k.toPod {
			continue
		}
		server := k.c
		if l, ours := p.listener(k); ours {
			server = l.c
		} else if !k.c.declares(k.port) {
			for _, c := range p.containers {
				if c.declares(k.port) {
					server = c
				}
			}
		}
		switch {
		case server == k.c:
			list = append(list, found(k.at(), "", "kubelet can send it before the container listens, and never again; the container is then restarted: "+
				"write exec: {command: [podhook, prestart]}, or call a native sidecar"))
		case server.order > k.c.order:
			list = append(list, found(k.at(), "", fmt.Sprintf("kubelet starts the container %s only after this postStart: write it first, or as a native sidecar", server.Name)))
		}
	}
	return list
}
