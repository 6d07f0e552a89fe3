package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podhook/podhook/internal/testutil"
)

// TestFileThatIsBeingWritten: a file that is written in place is read whole, or the error says
// that it cannot be read.
func TestFileThatIsBeingWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "podhook.yaml")
	pieces := []string{"hooks:\n", "  prestart: {}\n", "  shutdown: {}\n", "  last: {}\n"}
	write(t, file, strings.Join(pieces, ""), 0o644)
	stop, done := make(chan struct{}), make(chan struct{})
	stalled := false // for so long that nobody could tell the writer from one that is done
	go func() {
		defer close(done)
		for {
			began := time.Now()
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
			if err != nil {
				t.Error(err)
				return
			}
			for _, piece := range pieces {
				time.Sleep(2 * time.Millisecond)
				f.WriteString(piece)
			}
			f.Close()
			stalled = stalled || time.Since(began) > settle-5*time.Millisecond
			select {
			case <-stop:
				return
			case <-time.After(settle + 20*time.Millisecond):
			}
		}
	}()
	whole := 0
	var wrong []error
	for range 40 {
		c, err := Load(Source{File: file})
		var broken *Errors
		switch {
		case err == nil && c.Hooks["last"] != nil:
			whole++
		case err == nil:
			wrong = append(wrong, fmt.Errorf("read in part: %v", c.Hooks))
		case !errors.As(err, &broken) || !broken.Unsettled:
			wrong = append(wrong, err)
		}
	}
	close(stop)
	<-done
	if stalled && len(wrong) > 0 {
		t.Skipf("the machine stood still while the file was written: %v", wrong)
	}
	if whole == 0 || len(wrong) > 0 {
		t.Errorf("%d times read whole, %v", whole, wrong)
	}
}

// TestScriptThatIsBeingWritten: a script that is written in place does not count as bad.
func TestScriptThatIsBeingWritten(t *testing.T) {
	testutil.Slow(t)
	dir := t.TempDir()
	const text = "#!/bin/sh\n"
	script := write(t, filepath.Join(dir, "shutdown.d", "a"), text, 0o755)
	c, err := Load(Source{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	stalled := false
	go func() {
		defer close(done)
		for {
			began := time.Now()
			f, err := os.OpenFile(script, os.O_WRONLY|os.O_TRUNC, 0)
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(5 * time.Millisecond)
			f.WriteString(text)
			f.Close()
			stalled = stalled || time.Since(began) > settle-5*time.Millisecond
			select {
			case <-stop:
				return
			case <-time.After(settle + 20*time.Millisecond):
			}
		}
	}()
	var wrong []error
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		if c, err = Update(c.source, c); err != nil {
			wrong = append(wrong, err)
		}
	}
	close(stop)
	<-done
	if len(wrong) > 0 && !stalled {
		t.Errorf("refused %d times: %v", len(wrong), wrong[0])
	}
}

// TestFileThatIsWrittenAllTheTime: a start fails with this reason, and does not wait for ever.
func TestFileThatIsWrittenAllTheTime(t *testing.T) {
	testutil.Slow(t)
	file := write(t, filepath.Join(t.TempDir(), "podhook.yaml"), "hooks: {}\n", 0o644)
	c, err := Load(Source{File: file})
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				os.WriteFile(file, []byte("hooks: {}\n"), 0o644)
			}
		}
	}()
	defer func() { close(stop); <-done }()
	for c.Fresh() {
		time.Sleep(time.Millisecond)
	}
	// On a machine that stands still the writer pauses, and another error, or none, comes.
	unsettled := func(err error) bool {
		var broken *Errors
		return errors.As(err, &broken) && broken.Unsettled && strings.Contains(err.Error(), "is being written all the time")
	}
	var startErr error
	for range 50 {
		began := time.Now()
		_, startErr = Load(Source{File: file})
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
		if unsettled(startErr) {
			break
		}
	}
	if !unsettled(startErr) {
		t.Errorf("got %v", startErr)
	}
	for range 50 {
		if c, err = Update(c.source, c); unsettled(err) {
			break
		}
	}
	if !unsettled(err) || c.Fresh() || len(c.Hooks) != 3 {
		t.Errorf("got %+v, %v", c, err)
	}
}
