//go:build !linux

package server

import "net"

// setBacklog does nothing: away from Linux the system's own bound holds.
func setBacklog(*net.TCPListener, int) error { return nil }
