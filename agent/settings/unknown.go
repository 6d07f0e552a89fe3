package settings

import (
	"fmt"
	"regexp"
	"strings"
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
		problem := fmt.Sprintf("%s: %q: there is no such setting", name, value)
		if near := nearest(name); near != "" {
			problem += ", did you mean " + near + "?"
		} else {
			problem += "; podhook help lists them"
		}
		problems = append(problems, problem)
	}
	return problems
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
