package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podhook/podhook/hooks/process/seccomptest"
)

// childEnv makes the test binary act as one of the programs below, which do what a shell
// cannot.
const childEnv = "TEST_CHILD"

func child(args []string) int {
	if len(args) == 1 && args[0] == "server" {
		if err := server(os.Getenv("DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return serverCode
	}
	if len(args) > 3 && args[0] == "deny" {
		fmt.Fprintln(os.Stderr, deny(args[1], args[2], args[3:]))
		return 1
	}
	if len(args) == 5 && args[0] == "attack" {
		return attackFrom(args[1], args[2], args[3], args[4] == "true")
	}
	fmt.Fprintf(os.Stderr, "no such child: %q\n", args)
	return 2
}

// deny executes argv in its place, to which the kernel answers a system call with an
// error. Both are given by number.
func deny(errno, call string, argv []string) error {
	number, err := strconv.Atoi(errno)
	if err != nil {
		return err
	}
	nr, err := strconv.Atoi(call)
	if err != nil {
		return err
	}
	if err := seccomptest.Deny(syscall.Errno(number), uintptr(nr)); err != nil {
		return err
	}
	return syscall.Exec(argv[0], argv, os.Environ())
}

// serverCode is the exit code of a server that was stopped.
const serverCode = 3

// server answers HTTP at the address that it writes to the file address, until
// TERM, QUIT or INT. It writes the signals that it gets to the file events. With
// STUBBORN it goes on.
func server(dir string) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT, syscall.SIGHUP)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	events, err := os.OpenFile(filepath.Join(dir, "events"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	fmt.Fprintln(events, "main starts")
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "main answers") }))
	if err := os.WriteFile(filepath.Join(dir, "address.tmp"), []byte(listener.Addr().String()), 0o644); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "address.tmp"), filepath.Join(dir, "address")); err != nil {
		return err
	}
	for s := range signals {
		fmt.Fprintln(events, "main gets", unix.SignalName(s.(syscall.Signal)))
		if s != syscall.SIGHUP && os.Getenv("STUBBORN") == "" {
			break
		}
	}
	return nil
}
