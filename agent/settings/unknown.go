package settings

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/podhook/podhook/hooks/config"
)

// stepVariables are what podhook gives to a step; a podhook that a step calls
// finds them in its environment.
func stepVariables() []string {
	return []string{
		"PODHOOK_HOOK", "PODHOOK_STEP", "PODHOOK_RUN_ID", "PODHOOK_ATTEMPT", "PODHOOK_TRIGGER",
		"PODHOOK_DEADLINE", "PODHOOK_MAIN_EXIT_CODE", "PODHOOK_MAIN_EXIT_SIGNAL",
	}
}

// unknown finds misspelt settings. Kubernetes injects variables for every
// Service of the namespace, also for one that is called podhook or
// podhook-anything; those are not the user's and do no harm.
func unknown(environ []string) []string {
	known := map[string]bool{}
	for _, row := range Table() {
		known[row.Name] = true
	}
	for _, name := range stepVariables() {
		known[name] = true
	}
	var problems []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, Prefix) || known[name] || fromService(name, value) {
			continue
		}
		problems = append(problems, fmt.Sprintf("%s: %s: there is no such setting%s", name, shown(name, value), hint(name)))
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

// shown is a value as an error may show it: errors end up in logs.
func shown(name, value string) string {
	for _, word := range []string{"TOKEN", "SECRET", "PASS", "KEY", "CREDENTIAL", "AUTH"} {
		if strings.Contains(strings.ToUpper(name), word) {
			return "(value not shown)"
		}
	}
	const longest = 100
	if len(value) > longest {
		return strconv.Quote(value[:longest]) + "..."
	}
	return strconv.Quote(value)
}

// fromService tells the variables of a Kubernetes Service by name and value
// (Kubernetes: Accessing the Service, environment variables):
// X_SERVICE_HOST, X_SERVICE_PORT, X_SERVICE_PORT_NAME, X_PORT=tcp://...,
// X_PORT_80_TCP=tcp://..., and its _PROTO, _PORT and _ADDR.
func fromService(name, value string) bool {
	switch {
	case strings.HasSuffix(name, "_SERVICE_HOST"), strings.HasSuffix(name, "_SERVICE_PORT"), strings.Contains(name, "_SERVICE_PORT_"):
		return true
	case strings.HasSuffix(name, "_PORT") && regexp.MustCompile(`^(tcp|udp|sctp)://`).MatchString(value):
		return true
	}
	return regexp.MustCompile(`_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`).MatchString(name)
}
