package broker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// durably asks for a session that outlives connection and process.
func durably(o *Opening) { o.Durable, o.Ask.ExpiryInterval = true, 1000 }

// newDurableRig is a broker with a log of so many shards.
func newDurableRig(t testing.TB, shards int, set ...func(*Options)) (*rig, *fakeLog) {
	l := newFakeLog(t, shards)
	return newRig(t, append(set, withLog(l))...), l
}

// quiet waits until nothing is on its way from the log to a session.
func (r *rig) quiet() {
	r.Helper()
	rested := 0
	for range 10_000 {
		if !r.atRest() {
			rested = 0
		} else if rested++; rested == 2 { // what one gives another may have been missed the first time
			return
		} else {
			continue
		}
		time.Sleep(time.Millisecond)
	}
	r.Fatal("the broker doesn't come to rest")
}

func (r *rig) atRest() bool {
	if r.durable.busy.Load() != 0 {
		return false
	}
	for _, k := range r.groups.withLog() {
		k.turn.Lock()
		reading := k.reading
		k.turn.Unlock()
		if reading {
			return false
		}
	}
	for c := range r.Clients() {
		c.mu.Lock()
		rd := c.reader()
		busy := rd != nil && (rd.reading || rd.saving || c.sess.Unsaved() && !c.ended) // a save may have begun since
		c.mu.Unlock()
		if busy {
			return false
		}
	}
	return true
}

// gets is wants for what comes by way of the log.
func (p *peer) gets(want ...string) {
	p.Helper()
	p.quiet()
	p.wants(want...)
}

// ackAll acknowledges what has come and returns it, until nothing more comes.
func (p *peer) ackAll() (payloads []string) {
	for {
		p.quiet()
		got := p.take()
		if len(got) == 0 {
			return payloads
		}
		for _, s := range got {
			payloads = append(payloads, s.payload)
			p.ack(p.batch, s)
		}
	}
}

func counted(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

func TestLoggedBeforeAnybodyGetsIt(t *testing.T) {
	r, log := newDurableRig(t, 2)
	memory := r.connect("memory").subscribe("a/#", 1)
	kept := r.connect("kept", durably).subscribe("a/b", 1)
	pub := r.connect("pub")
	goOn := log.hold()
	if code := pub.publish("a/b", "1", 1); code != mqtt.Success {
		t.Errorf("the code is %v", code)
	}
	pub.publish("a/b", "2", 0) // at QoS 0 nothing has to be kept
	time.Sleep(2 * time.Millisecond)
	memory.wants("a/b=2")
	kept.wants("a/b=2")
	goOn()
	kept.gets("a/b=1")
	memory.gets("a/b=1")
	if log.len() != 1 {
		t.Errorf("the log has %d entries, want 1", log.len())
	}
	r.balances()
}

// What no durable session reads is not appended.
func TestLoggedOnlyIfWanted(t *testing.T) {
	f := func(sub, pub mqtt.QoS, want int, with ...how) {
		t.Helper()
		r, log := newDurableRig(t, 1)
		r.connect("c", with...).subscribe("t", sub)
		r.connect("other").subscribe("t", 1)
		r.connect("pub").publish("t", "x", pub)
		r.quiet()
		if log.len() != want {
			t.Errorf("subscribed at QoS %d, published at %d: the log has %d entries, want %d", sub, pub, log.len(), want)
		}
		r.balances()
	}
	f(1, 1, 1, durably)
	f(1, 2, 1, durably)
	f(2, 1, 1, durably)
	f(0, 1, 0, durably)
	f(1, 0, 0, durably)
	f(1, 1, 0)
	f(1, 1, 0, expiry(1000))                                     // its zone keeps sessions in memory
	f(1, 1, 0, durably, expiry(0))                               // it ends with its connection
	f(1, 1, 1, func(o *Opening) { o.Durable = true }, expiry(1)) //
}

func TestDurableOffline(t *testing.T) {
	r, log := newDurableRig(t, 3)
	c := r.connect("c", durably).subscribe("t/+", 1)
	pub := r.connect("pub")
	c.close("closed")
	for i := range 200 {
		pub.publish(fmt.Sprint("t/", i%5), fmt.Sprint(i), 1)
	}
	r.quiet()
	if s := c.client.Status(); s.Queued != 200 || c.client.sess.Queued() != 0 {
		t.Errorf("%d are queued, %d of them in memory; want 200, 0", s.Queued, c.client.sess.Queued())
	}
	if l := r.Ledger(); l.Queued != 200 || l.Balance() != 0 {
		t.Errorf("the ledger says %+v", l)
	}
	if log.shards[0].reads != 0 {
		t.Error("the log was read for a client that is away")
	}
	c = r.connect("c", durably, window(7))
	if !c.present {
		t.Error("the session isn't present")
	}
	got := c.ackAll()
	slices.SortFunc(got, func(a, b string) int { return len(a) - len(b) })
	if slices.Sort(got); len(got) != 200 || len(slices.Compact(got)) != 200 {
		t.Errorf("the client got %d messages: %q", len(got), got)
	}
	pub.publish("t/0", "live", 1)
	c.gets("t/0=live")
	if s := c.client.Status(); s.Queued != 0 || s.Inflight != 1 {
		t.Errorf("at last %+v", s)
	}
	r.balances()
}

// A client that doesn't acknowledge costs its window, and gets everything later.
func TestDurableSlow(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	c := r.connect("c", durably, window(3)).subscribe("t", 1)
	pub := r.connect("pub")
	for i := range 300 {
		pub.publish("t", fmt.Sprint(i), 1)
	}
	r.quiet()
	if s := c.client.sess; s.Inflight() != 3 || s.Queued() != 0 {
		t.Errorf("%d are in flight, %d queued; want 3, 0", s.Inflight(), s.Queued())
	}
	if got := c.client.Status().Queued; got != 297 {
		t.Errorf("%d wait, want 297", got)
	}
	if got := c.ackAll(); !slices.Equal(got, counted(0, 299)) {
		t.Errorf("the client got %q", got)
	}
	c.full.Store(true)
	pub.publish("t", "full", 1)
	pub.publish("t", "too", 1)
	c.gets()
	c.full.Store(false)
	c.client.Drain(r.batch, c.fakeConn)
	c.gets("t=full", "t=too")
	r.balances()
}

func TestDurableRefused(t *testing.T) {
	r, log := newDurableRig(t, 1)
	c := r.connect("c", durably).subscribe("t", 1)
	memory := r.connect("memory").subscribe("t", 1)
	log.failing(errFake)
	m := &mqtt.Message{Topic: "t", Payload: []byte("1"), QoS: 1}
	if code, _ := r.PublishKept(r.batch, nil, m); code != mqtt.QuotaExceeded {
		t.Errorf("the code is %v, want QuotaExceeded", code)
	}
	c.gets()
	memory.gets()
	if n := r.Account(1).Refused["not_kept"]; n != 1 || !strings.Contains(r.log.String(), errFake.Error()) {
		t.Errorf("%d are booked as refused; the log says %s", n, r.log)
	}
	log.failing(nil)
	m = &mqtt.Message{Topic: "t", Payload: []byte("2"), QoS: 1}
	if code, n := r.PublishKept(r.batch, nil, m); code != mqtt.Success || n != 2 {
		t.Errorf("then %v, %d deliveries", code, n)
	}
	c.gets("t=2")
	memory.gets("t=2")
	r.balances()
}

// A message that needs no log does not overtake one to its topic that does.
func TestLogKeepsOrder(t *testing.T) {
	r, log := newDurableRig(t, 4)
	c := r.connect("c", durably).subscribe("t", 1)
	memory := r.connect("memory").subscribe("#", 1)
	pub := r.connect("pub")
	goOn := log.hold()
	pub.publish("t", "1", 1)
	c.unsubscribe("t")
	pub.publish("t", "2", 1)
	pub.publish("other", "3", 1)
	memory.wants("other=3")
	goOn()
	memory.gets("t=1", "t=2")
	pub.publish("t", "4", 1)
	memory.gets("t=4")
	if log.len() != 2 {
		t.Errorf("the log has %d entries, want 2", log.len())
	}
	r.balances()
}

// The session gets what it subscribes to, neither what came before nor what it
// has given up.
func TestDurableSubscriptions(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	r.connect("witness", durably).subscribe("#", 1)
	pub := r.connect("pub")
	c := r.connect("c", durably, window(1)).subscribe("a", 1)
	for i := range 3 {
		pub.publish("a", fmt.Sprint("a", i), 1)
		pub.publish("b", fmt.Sprint("early b", i), 1)
	}
	r.quiet() // a0 is in flight, the client is behind
	c.subscribe("b", 1)
	pub.publish("b", "late b", 1)
	pub.publish("a", "a3", 1)
	if got := c.ackAll(); !slices.Equal(got, []string{"a0", "a1", "a2", "late b", "a3"}) {
		t.Errorf("the client got %q", got)
	}
	c.close("closed")
	pub.publish("a", "a4", 1)
	pub.publish("b", "b4", 1)
	r.quiet()
	if code, _ := r.UnsubscribeFor(r.batch, "c", "a"); code != mqtt.Success {
		t.Error(code)
	}
	c = r.connect("c", durably)
	c.gets("b=b4")
	if got := r.Ledger().Dropped["unsubscribed"]; got != 1 {
		t.Errorf("%d are dropped as unsubscribed, want 1", got)
	}
	r.balances()
}

func TestDurableOverlap(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	c := r.connect("c", durably).subscribe("a/#", 1).subscribe("a/+", 1).subscribe("#", 0)
	pub := r.connect("pub")
	pub.publish("a/b", "live", 1)
	p := func() {
		t.Helper()
		r.quiet()
		var got []string
		for _, s := range c.take() {
			got = append(got, fmt.Sprint(s.payload, s.qos))
			c.ack(r.batch, s)
		}
		slices.Sort(got)
		if len(got) != 3 || got[0][len(got[0])-1] != '0' || got[1] != got[2] {
			t.Errorf("the client got %q, want two copies at QoS 1 and one at QoS 0", got)
		}
	}
	p()
	c.close("closed")
	pub.publish("a/b", "away", 1)
	r.quiet()
	c = r.connect("c", durably)
	r.quiet()
	if got := c.ackAll(); !slices.Equal(got, []string{"away", "away"}) { // the one at QoS 0 wasn't stored
		t.Errorf("the client got %q", got)
	}
	r.balances()
}

func TestDurableNoLocal(t *testing.T) {
	r, _ := newDurableRig(t, 1)
	c := r.connect("c", durably, v5, window(1))
	c.subscribeIn(r.batch, "t", mqtt.SubscribeOptions{QoS: 1, NoLocal: true}, 0)
	pub := r.connect("pub")
	for i := range 3 {
		c.publish("t", "own", 1)
		pub.publish("t", fmt.Sprint(i), 1)
	}
	if got := c.ackAll(); !slices.Equal(got, counted(0, 2)) {
		t.Errorf("the client got %q", got)
	}
	if got := r.Ledger().Dropped["no_local"]; got != 3 {
		t.Errorf("%d are dropped as no_local, want 3", got)
	}
	r.balances()
}

// What retention deletes before the client comes for it is booked.
func TestLogRetention(t *testing.T) {
	r, log := newDurableRig(t, 1)
	c := r.connect("c", durably).subscribe("t", 1)
	c.close("closed")
	pub := r.connect("pub")
	for i := range 10 {
		pub.publish("t", fmt.Sprint(i), 1)
	}
	r.quiet()
	log.cut(4)
	c = r.connect("c", durably)
	if got := c.ackAll(); !slices.Equal(got, counted(6, 9)) {
		t.Errorf("the client got %q", got)
	}
	if got := r.Ledger().Dropped["log_retention"]; got != 6 {
		t.Errorf("%d are dropped as log_retention, want 6", got)
	}
	if tally := c.client.Figures().Tally; tally.Dropped[session.LogRetention] != 6 {
		t.Errorf("the client's figures are %+v", tally)
	}
	r.balances()
}

func TestDurableEnds(t *testing.T) {
	for name, end := range map[string]func(*rig){
		"kicked":      func(r *rig) { r.Kick(r.batch, "c") },
		"clean start": func(r *rig) { r.connect("c", clean) },
	} {
		t.Run(name, func(t *testing.T) {
			r, log := newDurableRig(t, 1)
			r.connect("c", durably).subscribe("t", 1).close("closed")
			pub := r.connect("pub")
			pub.publish("t", "1", 1)
			pub.publish("t", "2", 1)
			r.quiet()
			end(r)
			if l := r.Ledger(); l.Dropped["session_ended"] != 2 || l.Queued != 0 {
				t.Errorf("the ledger says %+v", l)
			}
			pub.publish("t", "3", 1)
			r.quiet()
			if log.len() != 2 || r.durable.durables.Load() != 0 {
				t.Errorf("the log has %d entries, and there are %d durable sessions; want 2, 0", log.len(), r.durable.durables.Load())
			}
			r.balances()
		})
	}
}

// A session in memory becomes a durable one when its client asks for that.
func TestBecomesDurable(t *testing.T) {
	r, log := newDurableRig(t, 2)
	r.connect("witness", durably).subscribe("t", 1)
	pub := r.connect("pub")
	r.connect("c").subscribe("t", 1)
	pub.publish("t", "1", 1)
	r.quiet()
	c2 := r.connect("c", durably)
	c2.wants("t=1 dup")
	pub.publish("t", "2", 1)
	c2.gets("t=2")
	c2.close("closed")
	pub.publish("t", "3", 1)
	r.quiet()
	c := r.connect("c", expiry(0)) // and stays one
	c.gets("t=1 dup", "t=2 dup", "t=3")
	if log.len() != 3 {
		t.Errorf("the log has %d entries", log.len())
	}
	r.balances()
}

// A read that fails is tried again.
func TestReadFails(t *testing.T) {
	r, log := newDurableRig(t, 1)
	c := r.connect("c", durably).subscribe("t", 1)
	c.close("closed")
	r.connect("pub").publish("t", "1", 1)
	r.quiet()
	log.failing(errFake)
	c = r.connect("c", durably)
	for log.shards[0].readCount() == 0 {
		time.Sleep(time.Millisecond)
	}
	c.wants()
	log.failing(nil)
	c.gets("t=1")
	r.balances()
}

// One QoS 2 message of a client is on its way to the log on whatever connection
// it asks for its acknowledgement.
func TestPromises(t *testing.T) {
	r, log := newDurableRig(t, 1)
	r.connect("c", durably).subscribe("t", 1)
	pub := r.connect("pub", expiry(100))
	conn := &promises{fakeConn: pub.fakeConn}
	o := Origin{Client: pub.client, Conn: conn, ID: 7}
	goOn := log.hold()
	if _, err := pub.client.Received(r.batch, pub.fakeConn, 7); err != nil {
		t.Fatal(err)
	}
	if _, n, pending := r.PublishFrom(r.batch, pub.info, &mqtt.Message{Topic: "t", QoS: 2, From: "pub"}, o); !pending || n != 1 {
		t.Errorf("pending is %v, %d deliveries", pending, n)
	}
	if !pub.client.Appending(7) || pub.client.Appending(8) {
		t.Error("the client doesn't know what is being appended")
	}
	later := new(promises)
	later.fakeConn = new(fakeConn)
	r.connect("pub", expiry(100), func(o *Opening) { o.Conn = later })
	goOn()
	r.quiet()
	for _, p := range []*promises{conn, later} {
		if got := p.settled(); !slices.Equal(got, []string{"2 7 " + mqtt.Success.String()}) {
			t.Errorf("a connection was told %q", got)
		}
	}
	if pub.client.Appending(7) {
		t.Error("the message is still being appended")
	}
	log.failing(errFake)
	o = Origin{Client: pub.client, Conn: later, ID: 8}
	pub.client.Received(r.batch, later, 8)
	r.PublishFrom(r.batch, pub.info, &mqtt.Message{Topic: "t", QoS: 2, From: "pub"}, o)
	r.quiet()
	if dup, _ := pub.client.Received(r.batch, later, 8); dup {
		t.Error("the identifier of a message that wasn't kept is still taken")
	}
}

// promises is a Conn that is told what became of its messages.
type promises struct {
	*fakeConn
	promised, kept []string
}

func (p *promises) Promise(qos mqtt.QoS, id uint16, _ int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.promised = append(p.promised, fmt.Sprint(qos, id))
}

func (p *promises) Keep(_ *Batch, qos mqtt.QoS, id uint16, code mqtt.ReasonCode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = append(p.kept, fmt.Sprint(qos, " ", id, " ", code))
}

func (p *promises) settled() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.kept)
}

// The hook message.routed hears of a message once, when it has been routed.
func TestRoutedOnce(t *testing.T) {
	r, log := newDurableRig(t, 1)
	var told []string
	r.Hooks.MessageRouted.Add("test", 0, func(e *hook.MessageRouted) hook.Verdict {
		told = append(told, fmt.Sprint(string(e.Message.Payload), " ", e.Code, " ", e.Deliveries))
		return hook.Continue
	})
	r.connect("c", durably).subscribe("t", 1)
	r.PublishKept(r.batch, nil, &mqtt.Message{Topic: "t", Payload: []byte("1"), QoS: 1})
	log.failing(errFake)
	r.PublishKept(r.batch, nil, &mqtt.Message{Topic: "t", Payload: []byte("2"), QoS: 1})
	if want := []string{"1 success 1", "2 quota_exceeded 0"}; !slices.Equal(told, want) {
		t.Errorf("the hook was told %q, want %q", told, want)
	}
}
