//go:build linux

package server

import (
	"fmt"
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
	free := dial(t, ts.addr("tcp"))
	free.SetDeadline(time.Now().Add(time.Minute))
	talk(t, free, connectPacket("free"), connack)
	talk(t, free, subscribePacket("t"), suback)
	own := publishPacket("t", 0, 0)
	median := func() time.Duration {
		took := make([]time.Duration, 500)
		for i := range took {
			from := time.Now()
			talk(t, free, own, own)
			took[i] = time.Since(from)
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	alone := median()
	for i := range crowd {
		if _, err := dial(t, ts.addr("tcp")).Write(append(connectPacket(fmt.Sprint("c", i)), ping...)); err != nil {
			t.Fatal(err)
		}
	}
	if !eventually(func() bool { return ts.metric("packets.connect.received") == crowd+1 }) {
		t.Fatal("not all CONNECTs have arrived")
	}
	o.waits(t, 8)
	beside := median()
	cpu := processorTime(t, os.Getpid())
	time.Sleep(time.Second)
	cpu = processorTime(t, os.Getpid()) - cpu
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
