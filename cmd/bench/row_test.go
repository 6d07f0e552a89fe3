package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podhook/podhook/internal/testutil"
)

// The children of inits are this program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == receiverCommand {
		receive()
	}
	os.Exit(m.Run())
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		row    row
		want   string
		failed bool
	}{
		{row{Podhook: 1.7, Goal: new(1.7)}, "met", false},
		{row{Podhook: 2.55, Goal: new(1.7)}, "missed by 50 %", false},
		{row{Podhook: 8.6, Goal: new(1.7)}, "missed by 406 %", true},
		{row{Podhook: 3, Goal: new(2.0), Exact: true}, "missed by 50 %", true},
		{row{Podhook: 1, Goal: new(0.0), Exact: true}, "missed", true},
		{row{Podhook: 9}, "", false},
		{row{Podhook: 9, Goal: new(1.0), Missing: "no tini"}, "not measured: no tini", false},
	} {
		if got := tt.row.verdict(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.row, got, tt.want)
		}
		if err := failed([]row{tt.row}); (err != nil) != tt.failed {
			t.Errorf("%+v: %v", tt.row, err)
		}
	}
}

// Lines as strace(1) writes them.
func TestCountsOfCalls(t *testing.T) {
	calls := []string{
		`7 openat(AT_FDCWD, "/s/lock", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3`, // was there
		`7 openat(3, "new", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 4`,
		`7 openat(3, "temp", O_RDWR|O_CREAT|O_EXCL, 0600) = 4`,
		`7 openat(3, "lock", O_RDWR|O_CREAT|O_EXCL, 0600) = -1 EEXIST (File exists)`,
		`7 mkdirat(3, "dir", 0700) = 0`, `7 mkdirat(3, "dir", 0700) = -1 EEXIST (File exists)`,
		`7 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 5`, `7 fsync(4) = 0`, `7 fdatasync(4) = 0`, `7 write(4, "fsync(4)", 8) = 8`,
	}
	if n := created(calls, map[string]bool{"lock": true}); n != 3 {
		t.Errorf("%d created, want 3", n)
	}
	if n := syncs(calls[:len(calls)-1]); n != 2 {
		t.Errorf("%d syncs, want 2", n)
	}
}

// Each row is measured, or its program is not there.
func TestEveryRowIsMeasured(t *testing.T) {
	testutil.Slow(t)
	podhook, err := testutil.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := bench{podhook: podhook, rounds: 3, agents: 3, dir: t.TempDir()}
	rows, err := b.all()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 25 {
		t.Errorf("%d rows", len(rows))
	}
	for _, r := range rows {
		if r.Missing != "" && !strings.Contains(r.Missing, "installed") && !strings.HasPrefix(r.Missing, "no ") {
			t.Errorf("%s: %s", r.Figure, r.Missing)
		}
		if r.Missing == "" && r.Podhook == 0 && !slices.ContainsFunc([]string{"fsyncs", "files created", "wake-ups", "share of a core"}, func(s string) bool { return strings.Contains(r.Figure, s) }) {
			t.Errorf("%s is 0", r.Figure)
		}
	}
	file := filepath.Join(t.TempDir(), "rows.json")
	if err := save(file, rows); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), b.dir) {
		t.Errorf("%v, or a path is in\n%s", err, text)
	}
}
