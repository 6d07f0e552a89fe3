package process

import "bytes"

// Stream names one of a program's outputs.
type Stream string

const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// MaxLine is the number of bytes that are kept of one line.
const MaxLine = 16 << 10

// Line is one line of output. It may contain any byte but a newline.
type Line struct {
	Stream Stream
	// Text is the line without its newline. It is valid only during the call.
	Text []byte
	// Dropped counts the bytes of this line after the first MaxLine.
	Dropped int
}

// splitter splits a stream into lines, in bounded memory.
type splitter struct {
	stream  Stream
	onLine  func(Line)
	partial []byte // the beginning of an unfinished line, at most MaxLine
	dropped int
}

// write takes the next bytes of the stream and calls onLine for every line that they
// complete. A line points into b if it lies wholly in it.
func (s *splitter) write(b []byte) {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.keep(b)
			return
		}
		if len(s.partial) == 0 {
			s.hand(b[:i])
		} else {
			s.keep(b[:i])
			s.hand(s.partial)
			s.partial = s.partial[:0]
		}
		b = b[i+1:]
	}
}

// flush calls onLine for a last line without newline, and frees its memory.
func (s *splitter) flush() {
	if len(s.partial) > 0 {
		s.hand(s.partial)
	}
	s.partial = nil
}

func (s *splitter) keep(b []byte) {
	room := MaxLine - len(s.partial)
	if len(b) > room {
		s.dropped += len(b) - room
		b = b[:room]
	}
	s.partial = append(s.partial, b...)
}

func (s *splitter) hand(text []byte) {
	dropped := s.dropped
	s.dropped = 0
	if len(text) > MaxLine {
		dropped += len(text) - MaxLine
		text = text[:MaxLine]
	}
	if s.onLine != nil {
		s.onLine(Line{Stream: s.stream, Text: text, Dropped: dropped})
	}
}
