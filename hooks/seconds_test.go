package hooks

import (
	"fmt"
	"testing"
	"time"
)

func TestSeconds(t *testing.T) {
	for ms := range 100_000 {
		d := time.Duration(ms)*time.Millisecond + 300*time.Microsecond
		if got, want := fmt.Sprint(Seconds(d)), fmt.Sprint(float64(ms)/1000); got != want {
			t.Fatalf("%v is %s, want %s", d, got, want)
		}
	}
}
