package peers

import (
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"testing"
)

// FreePort returns a port of the loopback interface that nobody listens on. It
// is below those that systems give to outgoing connections, so that a server
// gets it again after it was away for a moment. PEERS_PORT asks for a certain one,
// for a server that is alone.
func FreePort(t testing.TB) int {
	t.Helper()
	if port, err := strconv.Atoi(os.Getenv("PEERS_PORT")); err == nil {
		return port
	}
	const first, last = 18000, 31999
	for range 100 {
		port := first + rand.IntN(last-first+1)
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatalf("found no free port from %d to %d", first, last)
	return 0
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
