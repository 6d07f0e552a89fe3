// Command chart draws what lostrequests has measured: for each server the requests
// lost per stop and the seconds that a stop takes, by the way of stopping it. It also draws
// what cmd/bench has measured.
//
//	go run . results.json chart.png
package main

import (
	"bytes"
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
	Server        string  `json:"server"`
	Variant       string  `json:"variant"`
	Withdrawal    float64 `json:"withdrawal"`
	Stops         int     `json:"stops"`
	Failed        int     `json:"failed"`
	CutShort      int     `json:"cutShort"`
	SecondsToStop struct {
		Most float64 `json:"most"`
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
	canvas, err := canvasOf(data)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
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

// canvasOf draws a list of results of lostrequests, or an object of cmd/bench.
func canvasOf(data []byte) (*vgimg.Canvas, error) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		var all costs
		if err := json.Unmarshal(data, &all); err != nil {
			return nil, err
		}
		return costsPicture(all)
	}
	var results []result
	if err := json.Unmarshal(data, &results); err != nil {
		return nil, err
	}
	return picture(results)
}

// caption says how to read the picture.
const caption = "Groups: when endpoints are withdrawn, in seconds after the stop begins. bare: SIGTERM alone. podhook stops the server after its last request."

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
	return chart(server+": requests lost per stop", results, func(r result) float64 { return float64(r.Failed+r.CutShort) / float64(r.Stops) })
}

func timeChart(server string, results []result) (*plot.Plot, error) {
	return chart(server+": seconds to stop (most)", results, func(r result) float64 { return r.SecondsToStop.Most })
}

// chart has a group of bars for each withdrawal, and in it one for each way to stop.
func chart(title string, results []result, of func(result) float64) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Millimeter * 4
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Millimeter
	var ways []string
	var groups []string
	for _, r := range results {
		if !slices.Contains(ways, r.Variant) {
			ways = append(ways, r.Variant)
		}
		if name := strconv.FormatFloat(r.Withdrawal, 'g', -1, 64) + " s"; !slices.Contains(groups, name) {
			groups = append(groups, name)
		}
	}
	const width = vg.Millimeter * 5
	for i, way := range ways {
		var v plotter.Values
		at := plotter.XYLabels{}
		for _, r := range results {
			if r.Variant == way {
				at.XYs = append(at.XYs, plotter.XY{X: float64(len(v)), Y: of(r)})
				at.Labels = append(at.Labels, short(of(r)))
				v = append(v, of(r))
			}
		}
		b, err := plotter.NewBarChart(v, width)
		if err != nil {
			return nil, err
		}
		b.Color, b.LineStyle.Width = colours()[i%len(colours())], 0
		b.Offset = width * vg.Length(2*i-len(ways)+1) / 2
		labels, err := plotter.NewLabels(at)
		if err != nil {
			return nil, err
		}
		for n := range labels.TextStyle {
			labels.TextStyle[n].XAlign, labels.TextStyle[n].Font.Size = text.XCenter, 7
		}
		labels.Offset = vg.Point{X: b.Offset, Y: vg.Millimeter / 2}
		p.Add(b, labels)
		p.Legend.Add(way, b)
	}
	p.NominalX(groups...)
	p.Y.Min, p.Y.Tick.Marker = 0, wholeTicks{}
	p.Y.Max *= 1.35 // room for the legend
	return p, nil
}

// short is a number that fits above its bar.
func short(n float64) string {
	if n >= 10 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'f', 1, 64)
}

// wholeTicks labels the axis with whole numbers.
type wholeTicks struct{}

func (wholeTicks) Ticks(least, most float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(least, most)
	for i, t := range ticks {
		if !t.IsMinor() {
			ticks[i].Label = strconv.FormatFloat(t.Value, 'f', -1, 64)
		}
	}
	return ticks
}

// colours are told apart by people with any colour vision (Okabe and Ito).
func colours() []color.Color {
	return []color.Color{
		color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff}, color.RGBA{R: 0xe6, G: 0x9f, B: 0x00, A: 0xff},
		color.RGBA{R: 0xb0, G: 0xb0, B: 0xb0, A: 0xff}, color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff},
	}
}
