package server

import (
	"net"
	"testing"
	"time"
)

// With a backlog of 1 the kernel completes two connections that nobody
// accepts, and lets the next wait.
func TestBacklogIsSet(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := setBacklog(ln.(*net.TCPListener), 1); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		c, err := net.DialTimeout("tcp", ln.Addr().String(), 300*time.Millisecond)
		if err != nil {
			if i < 2 {
				t.Errorf("connection %d: %v", i, err)
			}
			return
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Error("four connections were taken")
}
