package exposition

import (
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

const page = `# HELP http_connections Connections now.
# TYPE http_connections gauge
http_connections{listener="a",state="active"} 3
http_connections{listener="b",state="active"} 4 1700000000000
http_connections{listener="b",state="idle"} 100
http_connections_total{listener="a"} 1000
	plain 1.5

escaped{path="C:\\DIR\\\"x\"\nend",} 7
spaced { a = "b" , c="d" } 8 # {trace_id="x"} 1
not_a_number NaN
infinite{x="1"} +Inf
infinite{x="2"} 1
huge 1e400
{"utf8.name"} 5
`

func TestAdd(t *testing.T) {
	for _, tt := range []struct {
		name   string
		labels []Label
		want   Sum
	}{
		{"http_connections", nil, Sum{Value: 107, Matched: 3}},
		{"http_connections", []Label{{"state", "active"}}, Sum{Value: 7, Matched: 2}},
		{"http_connections", []Label{{"state", "active"}, {"listener", "b"}}, Sum{Value: 4, Matched: 1}},
		{"http_connections", []Label{{"state", "activ"}}, Sum{}},
		{"http_connections", []Label{{"absent", ""}}, Sum{}},
		{"http_connections_total", nil, Sum{Value: 1000, Matched: 1}},
		{"http", nil, Sum{}},
		{"plain", nil, Sum{Value: 1.5, Matched: 1}},
		{"plain", []Label{{"a", "b"}}, Sum{}},
		{"escaped", []Label{{"path", "C:\\DIR\\\"x\"\nend"}}, Sum{Value: 7, Matched: 1}},
		{"spaced", []Label{{"c", "d"}, {"a", "b"}}, Sum{Value: 8, Matched: 1}},
		{"infinite", nil, Sum{Value: math.Inf(1), Matched: 2}},
		{"huge", nil, Sum{Value: math.Inf(1), Matched: 1}},
	} {
		tt.want.Series = 12
		// One byte at a time, as a slow network brings it.
		got, err := Add(iotest.OneByteReader(strings.NewReader(page)), tt.name, tt.labels)
		if err != nil || got != tt.want {
			t.Errorf("%s %v: got %+v, %v, want %+v", tt.name, tt.labels, got, err, tt.want)
		}
	}
	if got, err := Add(strings.NewReader(page), "not_a_number", nil); err != nil || !math.IsNaN(got.Value) || got.Matched != 1 {
		t.Errorf("NaN: got %+v, %v", got, err)
	}
}

func TestAddRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"m\n":                    `line 1: "" is not a value`,
		"m five\n":               `line 1: "five" is not a value`,
		"m{a} 1\n":               "line 1: a label without a quoted value",
		"m{a=b} 1\n":             "line 1: a label without a quoted value",
		"m{a=\"b} 1\n":           "line 1: a label's value has no closing quote",
		"m{a=\"b\\":              "line 1: a label's value has no closing quote",
		"m{a=\"b\" c=\"d\"} 1\n": "line 1: a label's value is followed by neither , nor }",
		"m{a=\"b\"\n":            "line 1: a label's value is followed by neither , nor }",
		"m 1 yesterday\n":        `line 1: "yesterday" is not a timestamp`,
		"a 1\nm{a=\"" + strings.Repeat("x", 70000) + "\"} 1\n": "line 2: longer than 65536 bytes",
		"m{a=\"b\"} 1" + strings.Repeat(" ", 70000) + "2\n":    "line 1: longer than 65536 bytes",
		strings.Repeat(" ", 70000) + "m{a=\"b\"} 1\n":          "line 1: longer than 65536 bytes",
	} {
		var wrong *LineError
		if got, err := Add(strings.NewReader(text), "m", []Label{{"a", "b"}}); !errors.As(err, &wrong) || err.Error() != want || got != (Sum{}) {
			t.Errorf("%.30q: got %+v, %v, want %s", text, got, err, want)
		}
	}
	broken := io.MultiReader(strings.NewReader("m 1\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := Add(broken, "m", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken connection: %v", err)
	}
}

// A last line without a newline counts, and lines that say nothing of the metric are
// skipped whatever they hold.
func TestAddForeignAndLastLines(t *testing.T) {
	long := strings.Repeat("x", 70000)
	for text, want := range map[string]Sum{
		"a 1\nm 5":                 {5, 1, 2, true},
		"m 5\n# EOF":               {5, 1, 1, false},
		"m 5\n# EOF\n":             {5, 1, 1, false},
		"m 5\n\t ":                 {5, 1, 1, false},
		"m 5\na":                   {5, 1, 2, true},
		"m 5\n# HELP":              {5, 1, 1, true},
		"m 5\n" + long:             {5, 1, 2, true},
		"#" + long + "\nm 5\n":     {5, 1, 1, false},
		long + "{\"\nm 5\n":        {5, 1, 2, false},
		"mm{a=\"" + long + "\nm 5": {5, 1, 2, true},
	} {
		if got, err := Add(strings.NewReader(text), "m", nil); err != nil || got != want {
			t.Errorf("%.30q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	broken := io.MultiReader(strings.NewReader("m 1\n#"+long), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := Add(broken, "m", nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a connection that breaks in a long line: %v", err)
	}
}

// FuzzMetrics: whatever is read, a sum that comes without an error is what the
// matching lines say, and what is put in front of a good page does not change
// what the page adds up to.
func FuzzMetrics(f *testing.F) {
	for _, text := range []string{page, "", "m 1\n", "m{} 1\n", "m{a=\"b\"} 1\n", "m{a=\"\\\\\"} NaN 5\n", "m{a=\"b\",} -Inf\n",
		"# m\n\nm 0x1p-2\n", "m{a=\"b\"} 1 # {x=\"y\"} 2\n", "m 1", "m{a=\"", "\x00m 1\n", "m\t1\t2\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		labels := []Label{{"a", "b"}}
		got, err := Add(strings.NewReader(text), "m", labels)
		if err != nil {
			if got != (Sum{}) {
				t.Fatalf("an error and %+v", got)
			}
			return
		}
		if got.Matched > got.Series || got.Series > strings.Count(text, "\n")+1 || got.Matched == 0 && got.Value != 0 {
			t.Fatalf("got %+v of %q", got, text)
		}
		more, err := Add(strings.NewReader(text+"\nm{c=\"d\",a=\"b\"} 2\nm 1\n"), "m", labels)
		if err != nil || more.Matched != got.Matched+1 || more.Series != got.Series+2 {
			t.Fatalf("with a series more: %+v, %v, before %+v", more, err, got)
		}
		if want := got.Value + 2; more.Value != want && !math.IsNaN(want) {
			t.Fatalf("with 2 more: %s, before %s", strconv.FormatFloat(more.Value, 'g', -1, 64), strconv.FormatFloat(got.Value, 'g', -1, 64))
		}
	})
}
