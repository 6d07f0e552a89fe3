package main

import (
	"errors"
	"fmt"
	"image/color"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// costs is the part of a result of cmd/bench that is drawn.
type costs struct {
	Rows []cost `json:"rows"`
}

type cost struct {
	Figure  string   `json:"figure"`
	Podhook float64  `json:"podhook"`
	Goal    *float64 `json:"goal"`
	Missing string   `json:"missing"`
}

// most is the longest bar, in shares of the goal.
const most = 3.0

var (
	met    = color.RGBA{R: 0x00, G: 0x5b, B: 0xb5, A: 0xff}
	missed = color.RGBA{R: 0xc9, G: 0x40, B: 0x00, A: 0xff}
)

// costsPicture has a bar for each figure that has a goal.
func costsPicture(all costs) (*vgimg.Canvas, error) {
	rows := slices.DeleteFunc(slices.Clone(all.Rows), func(c cost) bool { return c.Missing != "" || c.Goal == nil || *c.Goal == 0 })
	if len(rows) == 0 {
		return nil, errors.New("no figures with goals")
	}
	slices.Reverse(rows) // the first one is at the top
	plot.DefaultFont.Variant, plotter.DefaultFont.Variant = "Sans", "Sans"
	p := plot.New()
	p.Title.Text = "What podhook costs: each figure as a share of its goal"
	p.X.Min, p.X.Max = 0, most+0.4
	p.X.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: 0.5}, {Value: 1, Label: "the goal"}, {Value: 2, Label: "2 x"}, {Value: 3, Label: "3 x"}}
	var names []string
	var good, bad plotter.Values
	labels := plotter.XYLabels{}
	for i, c := range rows {
		share := c.Podhook / *c.Goal
		long := min(share, most)
		names = append(names, c.Figure)
		good, bad = append(good, 0), append(bad, 0)
		if share <= 1 {
			good[i] = long
		} else {
			bad[i] = long
		}
		labels.XYs = append(labels.XYs, plotter.XY{X: max(long, 1) + 0.03, Y: float64(i)})
		labels.Labels = append(labels.Labels, threeDigits(c.Podhook)+" of "+strconv.FormatFloat(*c.Goal, 'f', -1, 64))
	}
	for _, bars := range []struct {
		values plotter.Values
		fill   color.Color
	}{{good, met}, {bad, missed}} {
		b, err := plotter.NewBarChart(bars.values, vg.Millimeter*4)
		if err != nil {
			return nil, fmt.Errorf("bars: %w", err)
		}
		b.Horizontal, b.Color, b.LineStyle.Width = true, bars.fill, 0
		p.Add(b)
	}
	goal, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.7}, {X: 1, Y: float64(len(rows)) - 0.3}})
	if err != nil {
		return nil, fmt.Errorf("goal: %w", err)
	}
	goal.Dashes = []vg.Length{vg.Points(3), vg.Points(3)}
	at, err := plotter.NewLabels(labels)
	if err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	for i := range at.TextStyle {
		at.TextStyle[i].YAlign = text.YCenter
	}
	p.Add(goal, at)
	p.NominalY(names...)
	canvas := vgimg.NewWith(vgimg.UseWH(26*vg.Centimeter, vg.Length(len(rows)+3)*7*vg.Millimeter), vgimg.UseDPI(96))
	p.Draw(draw.Crop(draw.New(canvas), vg.Millimeter*3, -vg.Millimeter*3, vg.Millimeter*3, -vg.Millimeter*3))
	return canvas, nil
}

func threeDigits(n float64) string {
	if n >= 1000 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'g', 3, 64)
}
