package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/podhook/podhook/deploy/e2e/images"
)

// limit bounds the whole measurement.
const limit = 90 * time.Minute

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
	withdrawn := flag.String("withdrawals", "500ms,1s,3s,8s", "how long requests still come after a stop begins")
	output := flag.String("o", "", "write the results as JSON to this file")
	flag.Parse()
	if *cycles < 1 || *parallel < 1 {
		return fmt.Errorf("-cycles %d -parallel %d: at least 1 is needed", *cycles, *parallel)
	}
	var withdrawals []time.Duration
	for text := range strings.SplitSeq(*withdrawn, ",") {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("-withdrawals: %w", err)
		}
		withdrawals = append(withdrawals, d)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	bench, err := prepare(ctx)
	if err != nil {
		return err
	}
	defer bench.close()
	results, err := bench.measure(ctx, withdrawals, *cycles, *parallel)
	if err != nil {
		return err
	}
	printTable(os.Stdout, withdrawals, results)
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
