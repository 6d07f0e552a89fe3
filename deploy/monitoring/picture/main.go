// Command picture draws the graphs of the dashboard without Grafana, from the same queries.
//
//	go run . http://127.0.0.1:9090 ../dashboard.json dashboard.png
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"gonum.org/v1/plot/vg/vgimg"
)

// dashboard is the part of Grafana's that is drawn.
type dashboard struct{ Panels []panel }

type panel struct {
	Type, Title string
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr, LegendFormat string }
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: picture PROMETHEUS DASHBOARD.json PICTURE.png")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(prometheus, from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	canvas, err := draw(d, server{prometheus})
	if err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(file); err != nil {
		return err
	}
	return file.Close()
}
