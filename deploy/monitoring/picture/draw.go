package main

import (
	"fmt"
	"image/color"
	"math"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

const (
	columns = 3
	// mostNames bounds a legend, so that it does not cover the graph.
	mostNames = 5
)

// draw has a tile for each graph of the dashboard, in its order.
func draw(d dashboard, s server) (*vgimg.Canvas, error) {
	var graphs []panel
	for _, p := range d.Panels {
		if p.Type == "timeseries" {
			graphs = append(graphs, p)
		}
	}
	if len(graphs) == 0 {
		return nil, fmt.Errorf("the dashboard has no graphs")
	}
	plot.DefaultFont.Variant, plotter.DefaultFont.Variant = "Sans", "Sans"
	rows := (len(graphs) + columns - 1) / columns
	canvas := vgimg.NewWith(vgimg.UseWH(34*vg.Centimeter, vg.Length(rows)*7*vg.Centimeter), vgimg.UseDPI(72))
	tiles := vgdraw.Tiles{Rows: rows, Cols: columns, PadX: vg.Centimeter, PadY: vg.Centimeter / 2, PadTop: vg.Centimeter / 4, PadBottom: vg.Centimeter / 4, PadLeft: vg.Centimeter / 4, PadRight: vg.Centimeter / 2}
	for i, p := range graphs {
		g, err := graph(p, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Title, err)
		}
		g.Draw(tiles.At(vgdraw.New(canvas), i%columns, i/columns))
	}
	return canvas, nil
}

func graph(p panel, s server) (*plot.Plot, error) {
	g := plot.New()
	g.Title.Text, g.Title.Padding = p.Title, vg.Millimeter*2
	g.Legend.Top, g.Legend.Left = true, true
	g.Legend.TextStyle.Font.Size, g.Legend.Padding = 8, vg.Millimeter/2
	end, drawn := float64(time.Now().Unix()), 0
	for _, target := range p.Targets {
		found, err := s.query(target.Expr)
		if err != nil {
			return nil, err
		}
		for _, line := range found {
			pieces, err := line.pieces(end)
			if err != nil {
				return nil, err
			}
			for i, xys := range pieces {
				l, err := plotter.NewLine(xys)
				if err != nil {
					return nil, err
				}
				l.Color, l.Width = colours()[drawn%len(colours())], vg.Points(1.5)
				g.Add(l)
				if i == 0 && drawn < mostNames {
					g.Legend.Add(line.name(target.LegendFormat), l)
				}
			}
			drawn++
		}
	}
	if drawn > mostNames {
		g.Legend.Add("and " + strconv.Itoa(drawn-mostNames) + " more")
	}
	g.X.Label.Text, g.X.Min, g.X.Max = "seconds", -span.Seconds(), 0
	g.Y.Min, g.Y.Max = min(0, g.Y.Min), max(1, g.Y.Max)*1.6 // room for the legend
	if math.IsInf(g.Y.Min, 0) {
		g.Y.Min, g.Y.Max = 0, 1
	}
	return g, nil
}

// pieces are the points of a series, cut where it has a gap.
func (s series) pieces(end float64) (pieces []plotter.XYs, err error) {
	last := math.Inf(-1)
	for _, point := range s.Points {
		x, ok := point[0].(float64)
		y, err := strconv.ParseFloat(fmt.Sprint(point[1]), 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("%v is no point", point)
		}
		if math.IsNaN(y) || math.IsInf(y, 0) {
			continue
		}
		if x > last+1 {
			pieces = append(pieces, nil)
		}
		last = x
		pieces[len(pieces)-1] = append(pieces[len(pieces)-1], plotter.XY{X: x - end, Y: y})
	}
	return pieces, nil
}

// colours are told apart by people with any colour vision (Okabe and Ito).
func colours() []color.Color {
	return []color.Color{
		color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff},
		color.RGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff}, color.RGBA{R: 0xe6, G: 0x9f, B: 0x00, A: 0xff},
		color.RGBA{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff}, color.RGBA{R: 0x56, G: 0xb4, B: 0xe9, A: 0xff},
	}
}
