package server

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// setBacklog bounds the connections that the kernel holds for a listener until
// they are accepted. Package net listens with the system's largest; listening
// once more changes it.
func setBacklog(ln *net.TCPListener, n int) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Listen(int(fd), n) })
	return errors.Join(err, failed)
}
