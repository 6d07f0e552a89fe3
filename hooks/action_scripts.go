package hooks

import (
	"path"

	"github.com/podhook/podhook/hooks/config"
)

// scriptUnits returns a unit for each script of the step's directory.
func scriptUnits(step *config.Step, list []config.Script) []unit {
	units := make([]unit, len(list))
	for i, s := range list {
		units[i] = unit{name: path.Join(step.Name, s.Name), argv: s.Argv, err: s.Err, perform: runProgram}
	}
	return units
}
