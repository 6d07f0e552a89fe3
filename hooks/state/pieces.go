package state

import (
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// piece is a file with a part of a run's output.
type piece struct {
	runID  string
	offset int64 // of its first byte in the whole output
}

func (p piece) name() string {
	return "output." + p.runID + "." + strconv.FormatInt(p.offset, 10)
}

func parsePiece(name string) (piece, bool) {
	rest, ok := strings.CutPrefix(name, "output.")
	if !ok {
		return piece{}, false
	}
	runID, number, ok := strings.Cut(rest, ".")
	offset, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || offset < 0 || !validRunID(runID) {
		return piece{}, false
	}
	return piece{runID, offset}, true
}

func validRunID(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// listPieces lists the pieces in a hook's directory by run and offset. It does not use
// package os, which would cost every run five system calls.
func listPieces(dir string) ([]piece, error) {
	fd, err := openDir(dir)
	if err == unix.ENOENT {
		return nil, nil
	}
	if err != nil {
		return nil, pathError("open", dir, err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 2048)
	var names []string
	for {
		n, err := retry(func() (int, error) { return unix.ReadDirent(fd, buf) })
		if err != nil {
			return nil, pathError("readdir", dir, err)
		}
		if n == 0 {
			break
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
	return sortedPieces(names), nil
}

func sortedPieces(names []string) []piece {
	var all []piece
	for _, name := range names {
		if p, ok := parsePiece(name); ok {
			all = append(all, p)
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].runID != all[j].runID {
			return all[i].runID < all[j].runID
		}
		return all[i].offset < all[j].offset
	})
	return all
}
