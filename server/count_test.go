package server

import (
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/metrics"
)

// TestConnectTimes: how long a CONNECT waited for its answer is booked, however it was judged.
func TestConnectTimes(t *testing.T) {
	ts, o := startWithOracle(t, "tcp.a = 127.0.0.1:0", true, false)
	o.verdict = auth.Deny
	booked := func(name string, count uint64, least time.Duration) {
		t.Helper()
		var got *metrics.Buckets
		ok := eventually(func() bool { // a refusal is sent before it is booked
			s, _ := ts.registry.Get(name)
			got = s.Histogram
			return got != nil && got.Count == count && got.Sum >= least.Microseconds()
		})
		if !ok {
			t.Errorf("%s: %+v, want %d of %v at least", name, got, count, least)
		}
	}
	talk(t, dial(t, ts.addr("tcp")), connectPacket("free"), connack)
	booked("connect.answers", 1, 0)

	const wait = 20 * time.Millisecond
	nc := dial(t, ts.addr("tcp"))
	if _, err := nc.Write(connectPacket("c")); err != nil {
		t.Fatal(err)
	}
	o.waits(t, 1)
	time.Sleep(wait) // what is measured
	o.speak()
	talk(t, nc, nil, []byte{0x20, 2, 0, 5})
	booked("connect.answers", 2, wait)
	booked("auth.oracle.calls", 2, wait)
}
