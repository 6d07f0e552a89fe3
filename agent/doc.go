// Package agent is what lives as long as the container: the HTTP listener, the
// metrics, the configuration in force and the agent's own stop.
package agent
