package settings

import "testing"

// What a start allocates stays in the memory of an idle process: the garbage collector does
// not run in one that small.
func TestLoadAllocatesLittle(t *testing.T) {
	const most = 620 // 511 without, 702 with the tag split_words
	if n := testing.AllocsPerRun(10, func() { mustLoad(t, "PODHOOK_LISTEN=:8080") }); n > most {
		t.Errorf("Load allocates %v times, want at most %d", n, most)
	}
}
