// Package prove holds the tests of podhook.schema.json: a real validator reads
// it, and what it accepts and refuses is compared with podhook's own decoder.
package prove
