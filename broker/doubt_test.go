package broker

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/engine"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// doubter publishes one message at QoS 2 as the standard wants it: it repeats it
// on each connection until it has an answer.
type doubter struct {
	*rig
	how    []how
	client *Client
	conn   *promises
}

// connect begins a connection, the first or another one.
func (d *doubter) connect() {
	d.conn = &promises{fakeConn: new(fakeConn)}
	at := func(o *Opening) { o.Conn = d.conn }
	d.client = d.connectIn(d.batch, "pub", append(slices.Clone(d.how), at)...).client
}

// send does what a connection does with a PUBLISH.
func (d *doubter) send(topic string) {
	defer d.batch.End()
	dup, err := d.client.Received(d.batch, d.conn, 7)
	if err != nil && !dup {
		d.Fatal(err)
	}
	switch {
	case !dup:
		m := &mqtt.Message{Topic: topic, Payload: []byte("1"), QoS: 2, From: "pub", Timestamp: Now()}
		code, _, pending := d.PublishFrom(d.batch, d.client.info, m, Origin{Client: d.client, Conn: d.conn, ID: 7})
		if !pending {
			d.conn.Keep(d.batch, 2, 7, code)
		}
	case d.client.Appending(7):
		d.conn.Promise(2, 7, 0)
	case d.client.Awaits(7):
		d.conn.Keep(d.batch, 2, 7, mqtt.Success)
	default:
		d.Error("the repetition is neither new nor known")
	}
}

// answer is what the present connection was told last; "": nothing yet.
func (d *doubter) answer() string {
	if all := d.conn.settled(); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

const (
	kept7    = "2 7 success"
	refused7 = "2 7 quota_exceeded"
)

// TestDoubt: the log has no answer for a message of QoS 2, which it has taken or
// not. Nobody hears of it before it is clear which; then it is there once, for
// everybody, however often the client repeats it, and on whatever connection.
func TestDoubt(t *testing.T) {
	for _, session := range []string{"durable", "memory"} {
		for _, taken := range []bool{true, false} {
			for _, repeats := range []string{"never", "at once", "on another connection", "on another connection, later"} {
				t.Run(fmt.Sprintf("%s session, taken %v, repeats %s", session, taken, repeats), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { doubted(t, session, taken, repeats) })
				})
			}
		}
	}
}

func doubted(t *testing.T, session string, taken bool, repeats string) {
	r, log := newDurableRig(t, 2)
	sub, memory := r.connect("sub", durably).subscribe("t", 2), r.connect("memory").subscribe("t", 1)
	d := &doubter{rig: r, how: []how{durably}}
	if session == "memory" {
		d.how = []how{expiry(1000)}
	}
	d.connect()
	r.quiet()
	why := fmt.Errorf("%w: %w", engine.ErrNoQuorum, engine.ErrDoubt)
	s := log.shards[log.Shard("t")]
	s.mu.Lock()
	if taken {
		s.unsure = why
	} else {
		s.fail, s.reading = why, true
	}
	s.mu.Unlock()
	d.send("t")
	time.Sleep(20 * doubtAgain)
	first := d.conn
	switch repeats {
	case "at once":
		d.send("t")
	case "on another connection":
		d.connect()
		d.send("t")
	case "on another connection, later":
		d.connect()
	}
	time.Sleep(20 * doubtAgain)
	if got := append(first.settled(), d.conn.settled()...); len(got) > 0 {
		t.Fatalf("the client is told %q while nobody knows", got)
	}
	memory.wants()
	log.unsure(nil)
	log.failing(nil)
	time.Sleep(4 * doubtAgain)
	if repeats == "on another connection, later" {
		d.send("t")
		time.Sleep(time.Second)
	}
	want := kept7
	if !taken && repeats != "on another connection, later" { // there it is a new one
		want = refused7
	}
	if got := d.answer(); got != want {
		t.Errorf("the client is told %q, want %q", got, want)
	}
	if want == refused7 { // the client may publish it again
		d.send("t")
		time.Sleep(time.Second)
		if got := d.answer(); got != kept7 {
			t.Errorf("a new message is told %q", got)
		}
	}
	if waited, _ := d.client.Released(d.batch, d.conn, 7); !waited {
		t.Error("nothing waited for PUBREL")
	}
	if got := sub.ackAll(); !slices.Equal(got, []string{"1"}) {
		t.Errorf("the durable subscriber got %q, want it once", got)
	}
	memory.wants("t=1")
	r.quiet()
	r.balances()
	if n := r.durable.pending.Load(); n != 0 {
		t.Errorf("%d bytes are pending for ever", n)
	}
}

// A process that ends while a message is in doubt leaves the question to the next.
func TestDoubtCrash(t *testing.T) {
	for _, taken := range []bool{true, false} {
		t.Run(fmt.Sprint("taken ", taken), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, log := newDurableRig(t, 1)
				r.connect("sub", durably).subscribe("t", 2)
				d := &doubter{rig: r, how: []how{durably}}
				d.connect()
				r.quiet()
				why := fmt.Errorf("no answer: %w", engine.ErrDoubt)
				goOn := log.hold() // its identifier is being saved
				d.send("t")
				synctest.Wait()
				s := log.shards[0]
				s.mu.Lock()
				if taken {
					s.unsure = why
				}
				s.mu.Unlock()
				if taken {
					goOn()
				}
				time.Sleep(3 * time.Second)
				again, _ := r.crashed()
				if !taken {
					goOn()
				}
				d = &doubter{rig: again, how: []how{durably}}
				d.connect()
				d.send("t")
				time.Sleep(time.Second)
				if got := d.answer(); got != kept7 {
					t.Errorf("the client is told %q, want %q", got, kept7)
				}
				if got := again.connect("sub", durably).ackAll(); !slices.Equal(got, []string{"1"}) {
					t.Errorf("the subscriber got %q, want it once", got)
				}
			})
		})
	}
}

// What the log certainly hasn't taken is refused at once, and a broker that goes
// on in memory doesn't wait.
func TestNoDoubt(t *testing.T) {
	f := func(name string, unavailable string, why error, want string) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, log := newDurableRig(t, 1, func(o *Options) { o.Config.Durability.Unavailable = unavailable })
				r.connect("sub", durably).subscribe("t", 2)
				d := &doubter{rig: r, how: []how{expiry(100)}}
				d.connect()
				log.failing(why)
				d.send("t")
				time.Sleep(time.Millisecond)
				if got := d.answer(); got != want {
					t.Errorf("the client is told %q, want %q", got, want)
				}
			})
		})
	}
	f("not taken", "refuse", engine.ErrNoQuorum, refused7)
	f("full", "refuse", engine.ErrFull, refused7)
	f("in memory", "memory", engine.ErrDoubt, kept7)
}
