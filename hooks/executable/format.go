package executable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// maxHashBang is BINPRM_BUF_SIZE - 1. The kernel uses only a part of a longer first
// line: execve(2).
const maxHashBang = 255

// Interpreter returns the program of a file's #! line, or "" where there is none.
func Interpreter(file string) string {
	head, err := ReadHead(file)
	if err != nil {
		return ""
	}
	if line, err := hashBang(head); err == nil && line != nil {
		return line[0]
	}
	return ""
}

// IsScript reports whether a file begins with #!.
func IsScript(file string) bool {
	head, err := ReadHead(file)
	return err == nil && hasHashBang(head)
}

// IsELF reports whether a file is a program and not a script.
func IsELF(file string) bool {
	head, err := ReadHead(file)
	return err == nil && isELF(head)
}

func isELF(head []byte) bool { return bytes.HasPrefix(head, []byte("\x7fELF")) }

// hasHashBang is also true where a byte order mark makes the line useless.
func hasHashBang(head []byte) bool {
	return bytes.HasPrefix(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), []byte("#!"))
}

// hashBang parses the first line as the kernel does (execve(2), "Interpreter scripts"):
// the interpreter, and the rest as one argument if there is any. It is nil where there
// is no such line.
func hashBang(head []byte) ([]string, error) {
	line, found := bytes.CutPrefix(head[:min(len(head), maxHashBang+1)], []byte("#!"))
	if !found {
		if hasHashBang(head) {
			return nil, errors.New("a byte order mark stands before its #!; save it as UTF-8 without BOM")
		}
		return nil, nil
	}
	line, _, ended := bytes.Cut(line, []byte("\n"))
	switch {
	case !ended && len(head) > maxHashBang:
		return nil, fmt.Errorf("its #! line is longer than %d bytes, of which the kernel takes only a part", maxHashBang)
	case bytes.HasSuffix(line, []byte("\r")):
		return nil, errors.New(`its #! line ends in CR LF, so that the interpreter would be looked for with a "\r"; save it with LF line ends`)
	case bytes.ContainsRune(line, 0):
		return nil, errors.New("a NUL byte in its #! line")
	}
	text := strings.Trim(string(line), " \t")
	if text == "" {
		return nil, errors.New("no interpreter in its #! line")
	}
	interpreter, arg := text, ""
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		interpreter, arg = text[:i], strings.Trim(text[i:], " \t")
	}
	if arg == "" {
		return []string{interpreter}, nil
	}
	return []string{interpreter, arg}, nil
}

// warnOfMachine compares the machine of an ELF file with podhook's own. It only warns,
// because the kernel may start an emulator for the other machine (binfmt_misc).
func warnOfMachine(head []byte) string {
	const own = runtime.GOARCH
	machine := machineOf(head)
	if machine == "" || machine == own || machine == "386" && own == "amd64" || machine == "arm" && own == "arm64" {
		return ""
	}
	return "a program for linux/" + machine + ", and podhook is one for linux/" + own + "; without an emulator the kernel refuses it (exec format error)"
}

// machineOf returns the GOARCH of an ELF file (e_machine, elf(5)), or "" for a rare one.
func machineOf(head []byte) string {
	if len(head) < 20 {
		return ""
	}
	at := head[18:20]
	if head[5] == 2 { // big endian
		at = []byte{at[1], at[0]}
	}
	switch binary.LittleEndian.Uint16(at) {
	case 3:
		return "386"
	case 40:
		return "arm"
	case 62:
		return "amd64"
	case 183:
		return "arm64"
	}
	return ""
}

// loaderOf finds PT_INTERP of a 64-bit ELF file (elf(5)). The package debug/elf would add
// more to the binary than the rest of this package.
func loaderOf(head []byte) string {
	const (
		headerSize, class64, interp = 64, 2, 3
	)
	if len(head) < headerSize || !isELF(head) || head[4] != class64 {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	table, size := order.Uint64(head[32:]), uint64(order.Uint16(head[54:]))
	for i := range uint64(order.Uint16(head[56:])) {
		at := table + i*size
		if at > uint64(len(head)) || uint64(len(head))-at < 56 {
			return ""
		}
		entry := head[at:]
		if order.Uint32(entry) != interp {
			continue
		}
		from, length := order.Uint64(entry[8:]), order.Uint64(entry[32:])
		if from > uint64(len(head)) || length > uint64(len(head))-from {
			return ""
		}
		return string(bytes.TrimRight(head[from:from+length], "\x00"))
	}
	return ""
}
