package mainprocess

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"pid:1":                      "pid:1",
		"pid:4194304":                "pid:4194304",
		"pidfile:/run/nginx.pid":     "pidfile:/run/nginx.pid",
		"exe:/usr/sbin/nginx":        "exe:/usr/sbin/nginx",
		"exe:/usr/local/../sbin//x":  "exe:/usr/sbin/x",
		"exe:/odd: name":             "exe:/odd: name",
		"name:nginx":                 "name:nginx",
		"name:a-name-of-over-15-b:b": "name:a-name-of-over-15-b:b",
	} {
		got, err := Parse(in)
		if err != nil || got.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, got, err, want)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("Parse(%q) does not read what String wrote: %v, %v", got, again, err)
		}
	}
}

func TestParseErrorsSayValueAndWhatIsAllowed(t *testing.T) {
	for in, want := range map[string]string{
		"":                "it has no kind",
		"nginx":           "it has no kind",
		"1":               "it has no kind",
		"process:nginx":   `no kind "process"`,
		"PID:1":           `no kind "PID"`,
		"pid:":            `"" is not a PID`,
		"pid:0":           `"0" is not a PID (1 to 4194304)`,
		"pid:-1":          `"-1" is not a PID`,
		"pid:+1":          `"+1" is not a PID`,
		"pid:4194305":     `"4194305" is not a PID`,
		"pid:99999999999": `"99999999999" is not a PID`,
		"pid: 7":          `" 7" is not a PID`,
		"pidfile:":        `"" is not an absolute path`,
		"pidfile:run/x":   `"run/x" is not an absolute path`,
		"exe:nginx":       `"nginx" is not an absolute path`,
		"exe:/a\x00b":     `is not an absolute path`,
		"name:":           `"" is not the name of a program`,
		"name:/bin/nginx": `"/bin/nginx" is not the name of a program (for a path use exe:PATH)`,
		"name:a\x00b":     `is not the name of a program`,
	} {
		got, err := Parse(in)
		if err == nil {
			t.Errorf("Parse(%q) = %v, want an error", in, got)
			continue
		}
		if got != (Target{}) {
			t.Errorf("Parse(%q) gives a target with its error", in)
		}
		for _, part := range []string{want, "pid:N, pidfile:PATH, exe:PATH and name:NAME"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("Parse(%q): %q does not say %q", in, err, part)
			}
		}
	}
}

func TestZeroTargetFindsNothing(t *testing.T) {
	if p, err := lookFor(Target{}); err == nil {
		t.Errorf("the zero target found process %d", p.PID())
	}
	if s := (Target{}).String(); s != "" {
		t.Errorf("the zero target is %q, want nothing", s)
	}
}
