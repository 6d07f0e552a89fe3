package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/podhook/podhook/deploy/e2e/images"
)

// limit bounds the whole measurement.
const limit = 30 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lostrequests:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cycles := flag.Int("cycles", 30, "stop each variant this many times")
	parallel := flag.Int("parallel", 10, "cycles at the same time")
	output := flag.String("o", "", "write the results as JSON to this file")
	flag.Parse()
	if *cycles < 1 || *parallel < 1 {
		return fmt.Errorf("-cycles %d -parallel %d: at least 1 is needed", *cycles, *parallel)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	bench, err := prepare(ctx)
	if err != nil {
		return err
	}
	defer bench.close()
	results, err := bench.measure(ctx, *cycles, *parallel)
	if err != nil {
		return err
	}
	printTable(os.Stdout, results)
	if *output != "" {
		if err := write(*output, results); err != nil {
			return err
		}
	}
	return judge(results)
}

func prepare(ctx context.Context) (*bench, error) {
	set, err := images.Build(ctx)
	if err != nil {
		return nil, err
	}
	return newBench(ctx, set)
}

func write(path string, results []result) error {
	data, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
