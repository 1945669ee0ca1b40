package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestLatency times deliveries under a clock that stands still but where the
// test lets it go on.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		pause := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		count, sum := uint64(0), int64(0)
		wants := func(what string, n uint64, each time.Duration) {
			t.Helper()
			b := r.count.latency.Snapshot()
			if b.Count-count != n || b.Sum-sum != int64(n)*each.Microseconds() {
				t.Errorf("%s: %d timed with a sum of %d µs, want %d of %v", what, b.Count-count, b.Sum-sum, n, each)
			}
			count, sum = b.Count, b.Sum
		}
		send := func(name string, retain bool) {
			m := &mqtt.Message{Topic: name, Timestamp: r.batch.Now(), QoS: 1, Retain: retain}
			r.Publish(r.batch, nil, m)
		}
		pause(time.Second)
		a := r.connect("a", expiry(100)).subscribe("t", 1)
		b := r.connect("b").subscribe("t", 1).subscribe("kept", 1)

		pause(time.Second)
		send("t", false)
		pause(3 * time.Millisecond) // until the output is written
		r.batch.End()
		wants("two direct deliveries", 2, 3*time.Millisecond)

		send("t", false)
		pause(time.Millisecond)
		r.batch.End()
		wants("a new millisecond", 2, time.Millisecond)
		send("t", false)
		r.batch.End()
		wants("another one", 2, 0)
		send("t", false)
		r.batch.End()
		wants("a second pass in it", 0, 0)

		pause(time.Second)
		b.full.Store(true)
		send("t", false)
		r.batch.End()
		wants("one of them is full", 1, 0)
		pause(2 * time.Second)
		b.full.Store(false)
		b.client.Drain(r.batch, b.fakeConn)
		r.batch.End()
		wants("and has room", 1, 2*time.Second)

		a.close("closed")
		pause(time.Second)
		send("t", false)
		send("kept", true)
		r.batch.End()
		pause(time.Minute)
		wants("while a client is away", 2, 0)
		a = r.connect("a", expiry(100))
		a.subscribe("kept", 1)
		wants("what waited for it", 0, 0)
		if got := a.take(); len(got) < 2 {
			t.Errorf("it got %v", got)
		}
		r.publishSys(r.batch, "t", nil, 0, false)
		r.batch.End()
		wants("the broker's own", 0, 0)

		b.publish("$delayed/5/t", "", 0)
		pause(6 * time.Second)
		wants("a delayed message", 2, 0)
	})
}

func BenchmarkTimedPass(b *testing.B) {
	r := newRig(b)
	all := r.audience(1, "t", 0)
	publish := r.publisher(all, "t", 0)
	b.ReportAllocs()
	for b.Loop() {
		r.batch.watch.last = 0 // as if every pass began in another millisecond
		publish()
		r.batch.End()
	}
}
