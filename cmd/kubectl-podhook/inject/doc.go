// Package inject writes podhook into the text of a manifest, and leaves every line that it
// need not change as it is.
package inject
