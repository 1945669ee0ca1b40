package broker

import (
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/keep/keeptest"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/retain"
)

// sendOnce publishes at QoS 2 as a client does that has had no PUBREC, maybe
// not for the first time, and returns the connection that hears of it.
func (r *rig) sendOnce(p *peer, topic string) *promises {
	r.Helper()
	conn := &promises{fakeConn: p.fakeConn}
	dup, err := p.client.Received(r.batch, p.fakeConn, 7)
	if err != nil {
		r.Fatal(err)
	}
	if dup {
		if p.client.Appending(7) || !p.client.Awaits(7) {
			r.Error("the repetition gets no PUBREC")
		}
		return nil
	}
	m := &mqtt.Message{Topic: topic, Payload: []byte("1"), QoS: 2, Retain: true, From: "pub", Timestamp: Now()}
	if _, _, pending := r.PublishFrom(r.batch, p.info, m, Origin{Client: p.client, Conn: conn, ID: 7}); !pending {
		r.Error("it is acknowledged before it is kept")
	}
	r.batch.End()
	return conn
}

// keptThen is a map that does something when a record is kept, before it says so.
type keptThen struct {
	*keeptest.Map
	then func()
}

func (k keptThen) PutLater(key string, value []byte, done func(error)) {
	err := k.Put(key, value)
	k.then()
	go done(err)
}

// A retained or delayed message of QoS 2 comes once, wherever the broker ends:
// its publisher sends it again.
func TestKeptOnce(t *testing.T) {
	for _, topic := range []string{"t", "$delayed/2/t", "$delayed/9/t"} {
		t.Run(topic, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { keptOnce(t, topic) })
		})
	}
}

func keptOnce(t *testing.T, topic string) {
	retained := keeptest.New()
	with := func(o *Options) {
		o.Retained = retain.New(retain.Config{})
		if err := o.Retained.Keep(retained.Node(), new(metrics.Registry), slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
	log := newFakeLog(t, 1)
	log.delayed = keeptest.New()
	r := newRig(t, with, withLog(log))
	var kept func()
	r.keepDelayed(keptThen{log.delayed, func() { kept() }}, "n1")
	r.connect("sub", durably).subscribe("t", 2)
	pub := r.connect("pub", durably)
	r.quiet()
	type crash struct {
		*rig
		log *fakeLog
	}
	var crashes []crash
	end := func() {
		again, l := r.crashed(with)
		again.keepDelayed(l.delayed, "n1")
		crashes = append(crashes, crash{again, l})
	}
	kept = end // and nobody has heard of it
	end()
	goOn := log.hold() // the identifier isn't known to be saved
	conn := r.sendOnce(pub, topic)
	end()
	goOn()
	synctest.Wait()
	if got := conn.settled(); len(got) != 1 || got[0] != "2 7 "+mqtt.Success.String() && got[0] != "2 7 "+mqtt.NoMatchingSubscribers.String() {
		t.Errorf("the publisher is told %q", got)
	}
	end()
	time.Sleep(3 * time.Second)
	r.quiet()
	end()
	for i, c := range crashes {
		c.sendOnce(c.connect("pub", durably), topic)
		time.Sleep(10 * time.Second)
		c.quiet()
		if got := c.connect("sub", durably).ackAll(); !slices.Equal(got, []string{"1"}) {
			t.Errorf("crash %d: the subscriber got %q, want it once", i, got)
		}
		if len(c.Delayed()) != 0 {
			t.Errorf("crash %d: %d messages wait still", i, len(c.Delayed()))
		}
		c.balances()
	}
}
