//go:build linux

package server

import (
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/internal/race"
)

// TestWaitingCostsNobody has thousands of clients wait for a backend that hangs
// while a pair of others exchanges messages. It must not notice, and the loops
// must not turn in vain.
func TestWaitingCostsNobody(t *testing.T) {
	const crowd = 2000
	ts, o := startWithOracle(t, "tcp.a = 127.0.0.1:0\ntcp.a.max_connections = 10000", true, false)
	calm := startTestServer(t, "tcp.a = 127.0.0.1:0")
	free, other := echoing(t, ts), echoing(t, calm)
	for i := range crowd {
		if _, err := dial(t, ts.addr("tcp")).Write(append(connectPacket(fmt.Sprint("c", i)), ping...)); err != nil {
			t.Fatal(err)
		}
	}
	if !eventually(func() bool { return ts.metric("packets.connect.received") == crowd+1 }) {
		t.Fatal("not all CONNECTs have arrived")
	}
	o.waits(t, 8)
	alone, beside := medians(t, other, free)
	cpu := time.Minute
	for range 10 { // the least: a collection of garbage isn't what is looked for
		from := processorTime(t, os.Getpid())
		time.Sleep(time.Second)
		if cpu = min(cpu, processorTime(t, os.Getpid())-from); cpu <= 200*time.Millisecond {
			break
		}
	}
	t.Logf("a message and back: %v alone, %v beside %d that wait; these cost %v a second", alone, beside, crowd, cpu)
	if beside > 5*alone+time.Millisecond {
		t.Errorf("a message takes %v beside %d clients that wait, and %v without them", beside, crowd, alone)
	}
	if !race.Enabled && cpu > 200*time.Millisecond {
		t.Errorf("waiting takes %v of processor time a second", cpu)
	}
	o.speak()
	if !eventually(func() bool { return ts.metric("client.connected") == crowd+1 }) {
		t.Errorf("%d of %d are connected", ts.metric("client.connected"), crowd+1)
	}
}

// echoing is a client that gets what it publishes to t.
func echoing(t *testing.T, ts *testServer) net.Conn {
	t.Helper()
	nc := dial(t, ts.addr("tcp"))
	talk(t, nc, connectPacket("free"), connack)
	talk(t, nc, subscribePacket("t"), suback)
	return nc
}

// medians are how long a message takes, there and back, of two such clients. They
// take turns: what else keeps the machine busy then keeps both waiting.
func medians(t *testing.T, a, b net.Conn) (ofA, ofB time.Duration) {
	t.Helper()
	own := publishPacket("t", 0, 0)
	took := [2][]time.Duration{}
	for range 500 {
		for i, nc := range []net.Conn{a, b} {
			from := time.Now()
			talk(t, nc, own, own)
			took[i] = append(took[i], time.Since(from))
		}
	}
	for _, all := range took {
		slices.Sort(all)
	}
	return took[0][250], took[1][250]
}
