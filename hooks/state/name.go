package state

import (
	"fmt"

	"github.com/podhook/podhook/hooks/hookname"
)

// NameError says that a hook's name could lead out of the state directory.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("hook name %q: %s", e.Name, hookname.Rule)
}
