package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/podhook/podhook/hooks/config"
)

// unknown returns a problem for each misspelt setting. Variables that Kubernetes injects
// for a Service and Docker for a link, with a name such as podhook or podhook-x, are no
// problem. A problem never shows the value, which can be the secret of another program.
func unknown(environ []string) []string {
	known := map[string]bool{}
	for _, row := range Table() {
		known[row.Name] = true
	}
	for _, name := range config.StepVariables() {
		known[name] = true
	}
	links := linkPrefixes(environ)
	var problems []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, Prefix) || known[name] || isInjected(name, value) || ofLink(links, name) {
			continue
		}
		problems = append(problems, fmt.Sprintf("%s: there is no such setting%s", name, hint(name)))
	}
	return problems
}

// hint says which setting was probably meant. PODHOOK_PORT and the like cannot be
// settings, because a Service would set them.
func hint(name string) string {
	switch rest := strings.TrimPrefix(name, Prefix); rest {
	case "PORT", "HOST", "ADDR", "ADDRESS":
		return ", did you mean PODHOOK_LISTEN, such as PODHOOK_LISTEN=:8080?"
	default:
		if near := nearest(rest); near != "" {
			return ", did you mean " + near + "?"
		}
	}
	return "; podhook help lists them"
}

// nearest returns the setting that a misspelt name most likely means. It compares names
// without their prefix, which makes all names similar.
func nearest(rest string) string {
	rows := Table()
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = strings.TrimPrefix(row.Name, Prefix)
	}
	if near := config.Nearest(rest, names); near != "" {
		return Prefix + near
	}
	return ""
}

// isInjected reports whether a variable is one of a Kubernetes Service, or of the ports
// of a Docker link (Kubernetes: Accessing the Service, environment variables; Docker:
// Legacy container links): X_SERVICE_HOST, X_SERVICE_PORT, X_SERVICE_PORT_NAME,
// X_PORT=tcp://..., X_PORT_80_TCP=tcp://..., its _PROTO, _PORT and _ADDR, and _START
// and _END of a range of ports.
func isInjected(name, value string) bool {
	switch {
	case strings.HasSuffix(name, "_SERVICE_HOST"), strings.HasSuffix(name, "_SERVICE_PORT"), strings.Contains(name, "_SERVICE_PORT_"):
		return true
	case strings.HasSuffix(name, "_PORT") && regexp.MustCompile(`^(tcp|udp|sctp)://`).MatchString(value):
		return true
	}
	return regexp.MustCompile(`_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_ADDR|(_PORT)?(_START|_END)?)$`).MatchString(name)
}

// linkPrefixes returns the prefixes of the variables of Docker's links. Each link has
// X_NAME=/CONTAINER/ALIAS, and X_ENV_NAME for each variable of the linked container.
func linkPrefixes(environ []string) []string {
	var prefixes []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		prefix, isName := strings.CutSuffix(name, "_NAME")
		if isName && strings.HasPrefix(name, Prefix) && regexp.MustCompile(`^/[^/]+/[^/]+$`).MatchString(value) {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}

func ofLink(prefixes []string, name string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return name == prefix+"_NAME" || strings.HasPrefix(name, prefix+"_ENV_")
	})
}
