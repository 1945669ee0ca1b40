package broker

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// retainAll stores messages in this order, "topic=topic" each.
func (r *rig) retainAll(qos mqtt.QoS, topics ...string) {
	r.Helper()
	for i, name := range topics {
		m := &mqtt.Message{Topic: name, Payload: []byte(name), QoS: qos, Timestamp: int64(i)}
		if err := r.Retained.Put(m, 0); err != nil {
			r.Error(err)
		}
	}
}

func (p *peer) drain() {
	p.client.Drain(p.batch, p.fakeConn)
	p.batch.End()
}

// TestReplayWaitsForTheOutput: while the output is congested nothing is looked
// up or queued, and what was changed meanwhile comes as it is now.
func TestReplayWaitsForTheOutput(t *testing.T) {
	r := newRig(t)
	r.retainAll(0, "c", "a", "b", "d")
	p := r.connect("p")
	p.full.Store(true)
	p.subscribe("#", 0).subscribe("b", 0)
	p.wants()
	r.retainAll(0, "z")
	r.Retained.Delete("a")
	if err := r.Retained.Put(&mqtt.Message{Topic: "b", Payload: []byte("new"), Timestamp: 9}, 0); err != nil {
		t.Error(err)
	}
	if r.metric("deliveries.queued") != 0 {
		t.Error("a replay is queued")
	}
	p.full.Store(false)
	p.drain()
	p.wants("c=c retain", "z=z retain", "d=d retain", "b=new retain", "b=new retain")
	r.balances()
}

// TestReplayWaitsForTheWindow: each acknowledgement lets one more go.
func TestReplayWaitsForTheWindow(t *testing.T) {
	r := newRig(t)
	r.retainAll(1, "a", "b", "c", "d", "e")
	p := r.connect("p", v5, window(2)).subscribe("+", 1)
	var got []string
	for waiting := p.take(); len(waiting) > 0; waiting = append(waiting[1:], p.take()...) {
		if len(waiting) > 2 {
			t.Errorf("%d wait for the acknowledgement", len(waiting))
		}
		got = append(got, waiting[0].String())
		p.ack(p.batch, waiting[0])
	}
	if want := []string{"a=a retain", "b=b retain", "c=c retain", "d=d retain", "e=e retain"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	r.balances()
}

// TestReplayEnds with the subscription and with the connection.
func TestReplayEnds(t *testing.T) {
	r := newRig(t)
	r.retainAll(1, "a", "b")
	p := r.connect("p", v5, window(1), expiry(100)).subscribe("+", 1)
	first := p.take()
	p.unsubscribe("+")
	p.ack(p.batch, first[0])
	p.wants()
	p.subscribe("+", 1)
	first = p.take()
	p.close("gone")
	p = r.connect("p", v5, window(1), expiry(100))
	again := p.take()
	if len(first) != 1 || len(again) != 1 || !again[0].dup {
		t.Fatalf("got %v, then %v", first, again)
	}
	p.ack(p.batch, again[0])
	p.wants()
	r.balances()
}

// TestReplayOfLongSearch: a filter that looks at more than one go may goes on
// by itself, and nobody waits for it.
func TestReplayOfLongSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for i := range 40_000 {
			r.retainAll(0, fmt.Sprintf("%d/a", i))
		}
		r.retainAll(0, "99999/b")
		p := r.connect("p").subscribe("+/b", 0)
		p.wants()
		p.drain()
		p.wants() // its time hasn't come
		gone := r.connect("gone").subscribe("+/b", 0)
		gone.close("normal")
		time.Sleep(time.Second)
		synctest.Wait()
		p.wants("99999/b=99999/b retain")
		gone.wants()
		r.balances()
	})
}
