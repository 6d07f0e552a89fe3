package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/podhook/podhook/hooks/config"
)

// unknown finds misspelt settings. Kubernetes injects variables for every Service of
// the namespace and Docker for every link, also for one that is called podhook or
// podhook-anything; those are not the user's and do no harm. A problem never shows a
// value: it may be a secret that was meant for another program.
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

// hint says what was probably meant. PODHOOK_PORT and the like are what other
// programs call it and cannot be settings here: a Service would set them.
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

// nearest is the known setting that a typo most likely means. Names are compared
// without their prefix, which would make all of them alike.
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

// isInjected tells the variables of a Kubernetes Service, and the ports of a Docker
// link, by name and value (Kubernetes: Accessing the Service, environment variables;
// Docker: Legacy container links): X_SERVICE_HOST, X_SERVICE_PORT,
// X_SERVICE_PORT_NAME, X_PORT=tcp://..., X_PORT_80_TCP=tcp://..., its _PROTO, _PORT
// and _ADDR, and _START and _END of a range of ports.
func isInjected(name, value string) bool {
	switch {
	case strings.HasSuffix(name, "_SERVICE_HOST"), strings.HasSuffix(name, "_SERVICE_PORT"), strings.Contains(name, "_SERVICE_PORT_"):
		return true
	case strings.HasSuffix(name, "_PORT") && regexp.MustCompile(`^(tcp|udp|sctp)://`).MatchString(value):
		return true
	}
	return regexp.MustCompile(`_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_ADDR|(_PORT)?(_START|_END)?)$`).MatchString(name)
}

// linkPrefixes are what the variables of Docker's links begin with: each link has
// its name in X_NAME=/CONTAINER/ALIAS, and the variables of the linked container in
// X_ENV_NAME.
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
