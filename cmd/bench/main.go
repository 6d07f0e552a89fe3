// Command bench measures what podhook costs, beside other inits and small Go programs. All
// are measured in turn on the same machine, so that their ratios can be compared. README.md
// says what each row is.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == receiverCommand {
		receive()
		return
	}
	var b bench
	flag.StringVar(&b.podhook, "podhook", "bin/podhook", "the `binary` to measure")
	flag.IntVar(&b.rounds, "rounds", 200, "measurements of each figure")
	flag.IntVar(&b.agents, "agents", 500, "idle agents to measure together")
	flag.BoolVar(&b.check, "check", false, "measure the quick rows alone; fail if an exact count misses its goal, or a ratio is more than 5 times its goal")
	results := flag.String("json", "", "write the rows to this `file` too")
	flag.Parse()
	if err := run(&b, *results); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(b *bench, results string) error {
	var err error
	if b.podhook, err = filepath.Abs(b.podhook); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "podhook-bench."); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	rows, err := b.all()
	if err != nil {
		return err
	}
	if err := show(os.Stdout, rows); err != nil {
		return err
	}
	if results != "" {
		if err := save(results, rows); err != nil {
			return err
		}
	}
	if b.check {
		return failed(rows)
	}
	return nil
}
