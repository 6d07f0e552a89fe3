package main

import (
	"fmt"
	"os"
)

// childEnv makes the test's own binary act as one of the programs below, which
// do what a shell cannot.
const childEnv = "TEST_CHILD"

func child(args []string) int {
	fmt.Fprintf(os.Stderr, "no such child: %q\n", args)
	return 2
}
