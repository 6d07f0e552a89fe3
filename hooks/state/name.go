package state

import "fmt"

// NameError says that a hook's name is no DNS label.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("hook name %q: must be a DNS label (RFC 1123): at most 63 of a-z, 0-9 and -, not - at an end", e.Name)
}

// checkName refuses names that could lead out of the state directory.
func checkName(name string) error {
	ok := len(name) >= 1 && len(name) <= 63 && name[0] != '-' && name[len(name)-1] != '-'
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c == '-' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
	}
	if !ok {
		return &NameError{name}
	}
	return nil
}
