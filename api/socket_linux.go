package api

import "syscall"

// restrict is called between the making of a socket and that of its file, which
// on Linux takes over the socket's mode: there is no moment in which others
// could connect.
func restrict(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), socketMode) })
	if err != nil {
		return err
	}
	return failed
}
