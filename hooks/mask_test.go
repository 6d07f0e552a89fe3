package hooks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podhook/podhook/hooks/state"
)

// TestMask: no line of a secret's file is in what a step prints, in its record or in what the
// Observer gets, also if the file has changed since the last run.
func TestMask(t *testing.T) {
	b := newBench(t, `mask: [DIR/secrets, DIR/none]
hooks:
  demo:
    steps:
    - name: talks
      exec: [sh, -c, "cat DIR/secrets; echo user:$(head -1 DIR/secrets)@db abc; exit 3"]
      onFailure: continue
    - {name: asks, wait: {exec: [sh, -c, "cat DIR/secrets; exit 9"], giveUp: [9]}}
`)
	secrets := filepath.Join(b.dir, "secrets")
	for _, password := range []string{"correct horse", "battery staple"} {
		if err := os.WriteFile(secrets, []byte(password+"\n"+password+" and more\n\nabc\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		rec := b.expect(state.Failed, "talks failed", "asks failed")
		all := b.out.text() + rec.Reason + strings.Join(rec.Steps[0].Tail, "\n") + rec.Steps[1].Error
		if strings.Contains(all, password) {
			t.Errorf("%q is in\n%s", password, all)
		}
		contains(t, all, "user:***@db abc", "/none cannot be read, what it holds is not masked")
	}
	if files, err := filepath.Glob(filepath.Join(b.dir, "state", "hooks", "demo", "*")); err != nil || len(files) == 0 {
		t.Fatal(files, err)
	} else {
		for _, file := range files {
			if text, _ := os.ReadFile(file); strings.Contains(string(text), "staple") {
				t.Errorf("%s has the secret: %s", file, text)
			}
		}
	}
}

// TestMaskAtTheCut: a line that is too long ends within a secret.
func TestMaskAtTheCut(t *testing.T) {
	b := newBench(t, `mask: [DIR/secrets]
hooks:
  demo:
    steps:
    - exec: [sh, -c, "head -c 16377 /dev/zero | tr '\\0' x; cat DIR/secrets; exit 3"]
`)
	if err := os.WriteFile(filepath.Join(b.dir, "secrets"), []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rec := b.expect(state.Failed, "exec-sh failed")
	all := b.out.text() + strings.Join(rec.Steps[0].Tail, "\n")
	if strings.Contains(all, "corr") {
		t.Error("the beginning of the secret is in the output")
	}
	contains(t, all, "xxx*** [6 bytes cut]")
}

// TestQuiet: what a quiet step prints is nowhere; its exit code counts.
func TestQuiet(t *testing.T) {
	b := newBench(t, hook(`- {name: silent, exec: [sh, -c, "echo loud; echo louder >&2; exit 3"], quiet: true, onFailure: continue}
- {name: asks, wait: {exec: [sh, -c, "echo loud; exit 9"], giveUp: [9]}, quiet: true}
`))
	rec := b.expect(state.Failed, "silent failed", "asks failed")
	if strings.Contains(b.out.text()+rec.Reason, "loud") || len(rec.Steps[0].Tail) != 0 || rec.Steps[0].ExitCode == nil || *rec.Steps[0].ExitCode != 3 {
		t.Errorf("%s %+v", b.out.text(), rec)
	}
}
