package config

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The range of real-time signals in programs. glibc and musl reserve the first of the
// kernel's, from 32 on, see signal(7). These are the numbers of glibc.
const (
	rtMin = syscall.Signal(34)
	rtMax = syscall.Signal(64)
)

const signalRule = "a signal such as QUIT, SIGQUIT, RTMIN+3 or a number from 1 to 64"

func (d *decoder) signal(v value) syscall.Signal {
	text, ok := d.text(v, signalRule)
	if !ok {
		return 0
	}
	sig, err := ParseSignal(text)
	if err != nil {
		d.refuse(v, signalRule)
	}
	return sig
}

// ParseSignal parses the number of a signal, or its name in either case, with or without
// SIG. Real-time signals are RTMIN+n and RTMAX-n, as in kill(1).
func ParseSignal(text string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil && text[0] != '+' {
		if n < 1 || n > int(rtMax) {
			return 0, fmt.Errorf("%q: %s", text, signalRule)
		}
		return syscall.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if sig := unix.SignalNum("SIG" + name); sig != 0 {
		return sig, nil
	}
	for _, base := range []struct {
		name string
		sig  syscall.Signal
	}{{"RTMIN", rtMin}, {"RTMAX", rtMax}} {
		rest, ok := strings.CutPrefix(name, base.name)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(rest)
		signed := rest != "" && (rest[0] == '+' || rest[0] == '-')
		if rest == "" || signed && err == nil {
			if sig := base.sig + syscall.Signal(n); sig >= rtMin && sig <= rtMax {
				return sig, nil
			}
		}
	}
	return 0, fmt.Errorf("%q: %s", text, signalRule)
}

// SignalName returns a name such as SIGTERM, or "signal N" for a real-time signal.
func SignalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}
