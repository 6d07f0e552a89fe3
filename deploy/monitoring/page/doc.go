// Package page holds the tests of the agent's page for people: a real Chromium shows the
// page of real agents, and what it has drawn is measured.
//
//	PAGE_PICTURES=DIR go test -count=1 .
//
// writes a picture of each page into DIR too.
package page
