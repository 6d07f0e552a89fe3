// Command bench measures the agent of podhook, and podhook as an init next to tini,
// dumb-init and catatonit. All are measured in turn on the same machine, so that their
// ratios can be compared. Inits that are not installed are left out.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"text/tabwriter"
)

// initProgram is one init and its arguments before the command.
type initProgram struct {
	name string
	argv []string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == receiverCommand {
		receive()
		return
	}
	podhook := flag.String("podhook", "bin/podhook", "the `binary` to measure")
	rounds := flag.Int("rounds", 300, "measurements of each figure")
	flag.Parse()
	if err := run(os.Stdout, *podhook, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, podhook string, rounds int) error {
	inits := installed([]initProgram{
		{"podhook", []string{podhook, "run", "-s", "--"}},
		{"tini", []string{"tini", "-s", "--"}},
		{"dumb-init", []string{"dumb-init", "--"}},
		{"catatonit", []string{"catatonit", "--"}},
	})
	if len(inits) == 0 || inits[0].name != "podhook" {
		return fmt.Errorf("no podhook at %s: make build", podhook)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer tw.Flush()
	for _, measure := range []func(io.Writer, string, int) error{sizes, versions, calls, densities} {
		if err := measure(tw, podhook, rounds); err != nil {
			return err
		}
		fmt.Fprintln(tw)
	}
	for _, measure := range []func(io.Writer, []initProgram, int) error{starts, signals, exits, idles} {
		if err := measure(tw, inits, rounds); err != nil {
			return err
		}
		fmt.Fprintln(tw)
	}
	return nil
}

func installed(inits []initProgram) []initProgram {
	var there []initProgram
	for _, i := range inits {
		if path, err := exec.LookPath(i.argv[0]); err == nil {
			i.argv[0] = path
			there = append(there, i)
		}
	}
	return there
}

// with returns the command line that starts command under the init.
func (i initProgram) with(command ...string) []string {
	return append(append([]string(nil), i.argv...), command...)
}
