package process

import "bytes"

// Stream names one of a program's outputs.
type Stream string

const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// MaxLine is how many bytes of one line are kept.
const MaxLine = 16 << 10

// Line is one line of output. It may hold any bytes but a newline.
type Line struct {
	Stream Stream
	// Text is the line without its newline. It is valid only during the call.
	Text []byte
	// Dropped counts the bytes of this line that were beyond MaxLine.
	Dropped int
}

// splitter cuts a stream into lines in bounded memory.
type splitter struct {
	stream  Stream
	onLine  func(Line)
	partial []byte // a line whose end has not come yet, at most MaxLine
	dropped int
}

// write takes the next bytes of the stream and hands over every line that they
// end. The lines point into b where they can.
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

// flush hands over a last line that has no newline, and frees its memory.
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
