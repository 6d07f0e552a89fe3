// Command chart draws what lostrequests has measured: for each server the requests
// lost per stop and the seconds that a stop takes, by the way of stopping it.
//
//	go run . results.json chart.png
package main

import (
	"encoding/json"
	"fmt"
	"image/color"
	"os"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// result is the part of a result of lostrequests that is drawn.
type result struct {
	Server        string `json:"server"`
	Variant       string `json:"variant"`
	Stops         int    `json:"stops"`
	Failed        int    `json:"failed"`
	CutShort      int    `json:"cutShort"`
	SecondsToStop struct {
		Median float64 `json:"median"`
	} `json:"secondsToStop"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: chart RESULTS.json CHART.png")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var results []result
	if err := json.Unmarshal(data, &results); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	canvas, err := picture(results)
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

// caption says how to read the picture.
const caption = "bare: SIGTERM alone. podhook takes longer, because it stops the server when the last request has ended."

// picture has a row for each server: what was lost, and how long it took.
func picture(results []result) (*vgimg.Canvas, error) {
	var servers []string
	for _, r := range results {
		if !slices.Contains(servers, r.Server) {
			servers = append(servers, r.Server)
		}
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("no results")
	}
	plot.DefaultFont.Variant, plotter.DefaultFont.Variant = "Sans", "Sans"
	const captionHeight = vg.Centimeter
	canvas := vgimg.NewWith(vgimg.UseWH(26*vg.Centimeter, vg.Length(len(servers))*8*vg.Centimeter+captionHeight), vgimg.UseDPI(96))
	tiles := draw.Tiles{
		Rows: len(servers), Cols: 2, PadX: vg.Centimeter, PadY: vg.Centimeter,
		PadTop: vg.Millimeter * 3, PadBottom: vg.Millimeter*3 + captionHeight, PadLeft: vg.Millimeter * 3, PadRight: vg.Millimeter * 6,
	}
	style := plot.New().X.Tick.Label
	style.XAlign, style.YAlign = text.XLeft, text.YBottom
	below := draw.New(canvas)
	below.FillText(style, vg.Point{X: vg.Millimeter * 4, Y: vg.Millimeter * 5}, caption)
	for row, server := range servers {
		of := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.Server != server })
		lost, err := lostChart(server, of)
		if err != nil {
			return nil, err
		}
		lost.Draw(tiles.At(draw.New(canvas), 0, row))
		took, err := timeChart(server, of)
		if err != nil {
			return nil, err
		}
		took.Draw(tiles.At(draw.New(canvas), 1, row))
	}
	return canvas, nil
}

func lostChart(server string, results []result) (*plot.Plot, error) {
	p := newChart(server+": requests lost per stop", results)
	failed, err := bars(results, color.RGBA{R: 0xc0, G: 0x39, B: 0x2b, A: 0xff}, func(r result) float64 { return float64(r.Failed) / float64(r.Stops) })
	if err != nil {
		return nil, err
	}
	cut, err := bars(results, color.RGBA{R: 0xe6, G: 0x9f, B: 0x35, A: 0xff}, func(r result) float64 { return float64(r.CutShort) / float64(r.Stops) })
	if err != nil {
		return nil, err
	}
	cut.StackOn(failed)
	totals, err := values(results, "%.1f", func(r result) float64 { return float64(r.Failed+r.CutShort) / float64(r.Stops) })
	if err != nil {
		return nil, err
	}
	p.Add(failed, cut, totals)
	p.Legend.Add("failed", failed)
	p.Legend.Add("cut short", cut)
	p.Legend.XOffs, p.Legend.YOffs = -vg.Millimeter*2, vg.Millimeter*2
	p.Legend.Padding = vg.Millimeter
	return p, nil
}

func timeChart(server string, results []result) (*plot.Plot, error) {
	median := func(r result) float64 { return r.SecondsToStop.Median }
	p := newChart(server+": seconds to stop (median)", results)
	b, err := bars(results, color.RGBA{R: 0x34, G: 0x6c, B: 0xa3, A: 0xff}, median)
	if err != nil {
		return nil, err
	}
	totals, err := values(results, "%.1f s", median)
	if err != nil {
		return nil, err
	}
	p.Add(b, totals)
	return p, nil
}

// newChart has a bar for each way from the top to the bottom.
func newChart(title string, results []result) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Millimeter * 4
	p.Legend.Top = false
	var names []string
	for _, r := range slices.Backward(results) {
		names = append(names, r.Variant)
	}
	p.NominalY(names...)
	p.X.Min = 0
	p.X.Tick.Marker = wholeTicks{}
	p.Y.Tick.Label.XAlign = text.XRight
	return p
}

// wholeTicks labels the axis with whole numbers.
type wholeTicks struct{}

func (wholeTicks) Ticks(least, most float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(least, most)
	for i, t := range ticks {
		if t.IsMinor() {
			continue
		}
		ticks[i].Label = strconv.FormatFloat(t.Value, 'f', -1, 64)
	}
	return ticks
}

func bars(results []result, fill color.Color, of func(result) float64) (*plotter.BarChart, error) {
	var v plotter.Values
	for _, r := range slices.Backward(results) {
		v = append(v, of(r))
	}
	b, err := plotter.NewBarChart(v, vg.Millimeter*6)
	if err != nil {
		return nil, err
	}
	b.Horizontal, b.Color, b.LineStyle.Width = true, fill, 0
	return b, nil
}

// values writes the numbers at the ends of the bars.
func values(results []result, format string, of func(result) float64) (*plotter.Labels, error) {
	var at plotter.XYLabels
	for i, r := range slices.Backward(results) {
		v := of(r)
		at.XYs = append(at.XYs, plotter.XY{X: v, Y: float64(len(results) - 1 - i)})
		at.Labels = append(at.Labels, " "+fmt.Sprintf(format, v))
	}
	l, err := plotter.NewLabels(at)
	if err != nil {
		return nil, err
	}
	for i := range l.TextStyle {
		l.TextStyle[i].YAlign = text.YCenter
	}
	return l, nil
}
