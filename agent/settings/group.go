package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podhook/podhook/hooks/config"
)

// URL is an http or https URL, or empty if unset.
type URL string

// Decode refuses what is no URL.
func (u *URL) Decode(value string) error {
	*u = URL(value)
	_, err := config.ParseURL(value)
	return err
}

// SendsFigures reports whether the metrics are sent to where they outlive the pod.
func (s *Settings) SendsFigures() bool { return s.Pushgateway != "" || s.TextfileDir != "" }

// taken are the labels that the metrics have themselves, and that of the Pushgateway.
func taken(name string) bool {
	return slices.Contains([]string{"job", "hook", "outcome", "step", "signal", "reason", "path", "code", "class", "caller", "version", "goversion", "le"}, name)
}

// Group are the labels by which the figures of a workload are kept.
type Group []config.Label

// Labels returns them as a map.
func (g Group) Labels() map[string]string {
	labels := make(map[string]string, len(g))
	for _, l := range g {
		labels[l.Name] = l.Value
	}
	return labels
}

// Decode reads NAME=VALUE with commas between them. The values are parts of a path.
func (g *Group) Decode(value string) error {
	for one := range strings.SplitSeq(value, ",") {
		name, text, _ := strings.Cut(strings.TrimSpace(one), "=")
		plain := func(also string) func(rune) bool {
			return func(r rune) bool {
				return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(also, r))
			}
		}
		if name == "" || text == "" || taken(name) || name[0] <= '9' || strings.ContainsFunc(name, plain("_")) || strings.ContainsFunc(text, plain("-_.")) {
			return fmt.Errorf("labels of the workload such as namespace=shop,app=web are needed")
		}
		*g = append(*g, config.Label{Name: name, Value: text})
	}
	return nil
}
