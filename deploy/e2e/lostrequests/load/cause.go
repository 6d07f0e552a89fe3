package load

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// statusError is an answer that is no success.
type statusError string

func (e statusError) Error() string { return "answered " + string(e) }

// cause is an error without the addresses in it.
func cause(err error) string {
	var errno syscall.Errno
	var status statusError
	var network net.Error
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &network) && network.Timeout():
		return "no end in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	}
	return err.Error()
}
