package agent

import (
	"bytes"
	"io"
	"net"
	"time"
)

// answerTime bounds the question whether an agent is there.
const answerTime = time.Second

// Answers says whether the agent of an instance listens at the address. It asks
// for /status by hand: a client of net/http is half a megabyte.
func Answers(address, instance string) bool {
	conn, err := net.DialTimeout("tcp", address, answerTime)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerTime))
	if _, err := io.WriteString(conn, "GET /status HTTP/1.0\r\n\r\n"); err != nil {
		return false
	}
	head, _ := io.ReadAll(io.LimitReader(conn, 4096)) // the instance is among the first fields
	return bytes.Contains(head, []byte(`"`+instance+`"`))
}
