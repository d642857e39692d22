// A static server of many threads, as Go makes them: it reads its configuration, listens on port 80 and writes its pid.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// Each step is another thread's.
func apart(step func() error) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- step()
	}()
	fail(<-done)
}

func main() {
	apart(func() error {
		_, err := os.ReadFile("/etc/server.conf")
		return err
	})
	apart(func() error {
		_, err := net.Listen("tcp", ":80")
		return err
	})
	apart(func() error {
		return os.WriteFile("/run/server.pid", []byte(strconv.Itoa(os.Getpid())), 0o644)
	})
}
