//go:build race

package main

// raceFlags build the tested binary as the test itself was built.
func raceFlags() []string { return []string{"-race"} }
