package rehearse

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// serve serves on LISTEN, over TLS on TLS_LISTEN. It speaks HTTP by hand, so
// that it sees the raw request and can send malformed answers. The path selects the
// answer. The plain listener starts last: it makes the pod ready.
func serve() error {
	if address := os.Getenv("TLS_LISTEN"); address != "" {
		if err := serveTLS(address); err != nil {
			return err
		}
	}
	plain, err := net.Listen("tcp", os.Getenv("LISTEN"))
	if err != nil {
		return err
	}
	go accept(plain)
	return nil
}

func serveTLS(address string) error {
	certificate, err := expiredCertificate()
	if err != nil {
		return err
	}
	secure, err := tls.Listen("tcp", address, &tls.Config{
		Certificates: []tls.Certificate{certificate},
		NextProtos:   []string{"h2", "http/1.1"},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			fmt.Printf("tls sni=%q alpn=%q\n", hello.ServerName, hello.SupportedProtos)
			return nil, nil
		},
	})
	if err != nil {
		return err
	}
	go accept(secure)
	return nil
}

func accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go answer(conn)
	}
}

// answer answers one request and closes the connection.
func answer(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	if first, err := reader.Peek(1); err != nil || first[0] == 0x16 { // a TLS client hello
		io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent a TLS handshake\n")
		return
	}
	var lines []string
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			break
		}
		lines = append(lines, line)
	}
	fmt.Printf("request from %s %q\n", conn.RemoteAddr().(*net.TCPAddr).IP, lines)
	behave(conn, strings.Split(strings.Fields(lines[0])[1], "?")[0])
}

func behave(conn net.Conn, path string) {
	status := func(code int, headers, body string) {
		fmt.Fprintf(conn, "HTTP/1.1 %d X\r\n%sConnection: close\r\n\r\n%s", code, headers, body)
	}
	switch {
	case path == "/500":
		status(500, "Content-Length: 3\r\n", "no\n")
	case path == "/hang":
		io.Copy(io.Discard, conn)
		fmt.Println("the connection was closed")
	case path == "/close":
	case path == "/reset":
		conn.(*net.TCPConn).SetLinger(0)
	case path == "/endless":
		for status(200, "", ""); ; time.Sleep(50 * time.Millisecond) {
			if _, err := conn.Write([]byte("x")); err != nil {
				fmt.Println("the connection was closed")
				return
			}
		}
	case path == "/promise-10240":
		status(200, "Content-Length: 10240\r\n", "x")
		io.Copy(io.Discard, conn)
	case path == "/promise-10241":
		status(200, "Content-Length: 10241\r\n", "x")
		io.Copy(io.Discard, conn)
	case strings.HasPrefix(path, "/redirect/"):
		if n, _ := strconv.Atoi(strings.TrimPrefix(path, "/redirect/")); n > 0 {
			status(302, fmt.Sprintf("Location: /redirect/%d\r\n", n-1), "")
			return
		}
		status(200, "", "arrived")
	case path == "/elsewhere":
		status(302, "Location: http://elsewhere.invalid/\r\n", "")
	case path == "/die":
		os.Exit(7)
	default:
		status(200, "Content-Length: 2\r\n", "ok")
	}
}

// expiredCertificate is self-signed, for another name, and out of date.
func expiredCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "other.invalid"}, DNSNames: []string{"other.invalid"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// family serves on LISTEN in a grandchild that has left the session, ignores
// SIGTERM and outlives its parents.
func family() error {
	switch os.Getenv("GENERATION") {
	case "":
		return bear("child")
	case "child":
		if err := bear("grandchild"); err != nil {
			return err
		}
		os.Exit(0)
	}
	os.Setenv("STUBBORN", "true")
	return serve()
}

func bear(generation string) error {
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), "GENERATION="+generation)
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return child.Start()
}

// describeContext prints what a hook sees of its container.
func describeContext() int {
	fd0, err := os.Readlink("/proc/self/fd/0")
	fmt.Println("stdin", fd0, err)
	if _, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err != nil {
		fmt.Println("no tty")
	}
	dir, _ := os.Getwd()
	fmt.Println("dir", dir)
	fmt.Println("FLAVOUR", os.Getenv("FLAVOUR"))
	for _, ns := range []string{"pid", "mnt"} {
		link, _ := os.Readlink("/proc/self/ns/" + ns)
		fmt.Println("namespace", ns, link)
	}
	fmt.Println("uid", os.Getuid())
	fmt.Println("pid", os.Getpid())
	return 0
}
