package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/retain"
)

func TestPublish(t *testing.T) {
	r := newRig(t)
	a, p := r.connect("a").subscribe("x/#", 1).subscribe("x/y", 2), r.connect("p")
	e := r.listen()
	f := func(name string, want mqtt.ReasonCode, deliveries int) {
		t.Helper()
		code, n := r.Publish(r.batch, p.info, &mqtt.Message{Topic: name, QoS: 1, From: "p"})
		r.batch.End()
		if code != want || n != deliveries {
			t.Errorf("%s: %v to %d, want %v to %d", name, code, n, want, deliveries)
		}
	}
	f("x/y", mqtt.Success, 2)
	f("x", mqtt.Success, 1)
	f("y", mqtt.NoMatchingSubscribers, 0)
	e.want(t, "dropped y no_subscribers")
	if r.metric("messages.publish") != 3 || r.metric("messages.dropped.no_subscribers") != 1 || r.metric("messages.dropped") != 1 {
		t.Error("not counted")
	}
	for _, s := range a.take() {
		a.ack(r.batch, s)
	}
	e.want(t, "acked a x/y", "acked a x/y", "acked a x")
	if a.flushed == 0 || r.metric("messages.acked") != 3 || r.metric("messages.delivered") != 3 {
		t.Error("not flushed or not counted")
	}
	if err := a.client.Puback(r.batch, a.fakeConn, 9, 0); err != mqtt.PacketIdentifierNotFound {
		t.Errorf("an unknown identifier: %v", err)
	}
	e.want(t)
	r.balances()
}

func TestPublishHook(t *testing.T) {
	r := newRig(t)
	a := r.connect("a").subscribe("#", 0)
	var from *hook.ClientInfo
	r.Hooks.MessagePublish.Add("test", 0, func(e *hook.MessagePublish) hook.Verdict {
		from = e.Client
		switch e.Message.Topic {
		case "refuse":
			e.Refuse, e.Code = true, mqtt.NotAuthorized
		case "change":
			e.Message = e.Message.Copy()
			e.Message.Topic = "changed"
		case "later":
			e.Message = e.Message.Copy()
			e.Message.Topic = "$delayed/5/now"
		}
		return hook.Continue
	})
	p := r.connect("p")
	if code := p.publish("refuse", "1", 1); code != mqtt.NotAuthorized {
		t.Errorf("refused with %v", code)
	}
	p.publish("change", "2", 1)
	p.publish("later", "3", 1)
	a.wants("changed=2")
	if from != p.info {
		t.Error("the hook isn't told who publishes")
	}
	r.Publish(r.batch, nil, &mqtt.Message{Topic: "own"})
	a.wants("own=")
	if from != nil {
		t.Error("the broker's own message has a client")
	}
}

// TestDeliveredHook changes what one of three clients gets.
func TestDeliveredHook(t *testing.T) {
	r := newRig(t)
	var peers []*peer
	for _, id := range []string{"a", "b", "c"} {
		peers = append(peers, r.connect(id).subscribe("t", 0))
	}
	r.Hooks.MessageDelivered.Add("test", 0, func(e *hook.MessageDelivered) hook.Verdict {
		if e.Client.ClientID == "b" {
			e.Message = e.Message.Copy()
			e.Message.Payload = []byte("for b")
		}
		return hook.Continue
	})
	r.connect("p").publish("t", "1", 0)
	peers[0].wants("t=1")
	peers[1].wants("t=for b")
	peers[2].wants("t=1")
}

func TestMountpoints(t *testing.T) {
	r := newRig(t)
	a, b := r.connect("a", mounted("m/")).subscribe("m/t", 0), r.connect("b", mounted("m/")).subscribe("m/#", 1)
	long, none := r.connect("c", mounted("m/t/")).subscribe("m/t/#", 0), r.connect("d").subscribe("#", 0)
	p := r.connect("p")
	for _, payload := range []string{"1", "2"} { // the second one in the memory of the first
		p.publish("m/t", payload, 1)
		a.wants("t=" + payload)
		b.wants("t=" + payload)
		long.wants("m/t=" + payload) // the parent of its mountpoint is matched by m/t/#
		none.wants("m/t=" + payload)
	}
}

// TestBorrowedMessages publishes from one buffer again and again, as
// connections do; what is queued must not change with it.
func TestBorrowedMessages(t *testing.T) {
	r := newRig(t)
	a := r.connect("a", window(1)).subscribe("t", 1)
	p := r.connect("p")
	buf := make([]byte, 1)
	var m mqtt.Message
	for i := range 5 {
		buf[0] = byte('0' + i)
		m.SetPublish(&mqtt.Publish{Topic: "t", Payload: buf, QoS: 1}, 1)
		p.publishIn(r.batch, &m)
	}
	for i := range 5 {
		got := a.take()
		if want := string(byte('0' + i)); len(got) != 1 || got[0].payload != want {
			t.Fatalf("got %v, want %s", got, want)
		}
		a.ack(r.batch, got[0])
	}
	r.balances()
}

func TestRetainedMessages(t *testing.T) {
	r := newRig(t)
	a := r.connect("a").subscribe("t", 0)
	p := r.connect("p")
	keep := func(payload string) mqtt.ReasonCode {
		return p.publishIn(r.batch, &mqtt.Message{Topic: "t", Payload: []byte(payload), Retain: true})
	}
	keep("1")
	a.wants("t=1")
	if r.metric("retained.count") != 1 || r.metric("messages.retained") != 1 {
		t.Error("not counted")
	}
	keep("")
	a.wants("t=")
	if r.Retained.Len() != 0 {
		t.Error("not deleted")
	}

	quiet := newRig(t, func(o *Options) { o.Retained = retain.New(retain.Config{StopPublishClearMsg: true, MaxPayload: 3}) })
	a, p = quiet.connect("a").subscribe("t", 0), quiet.connect("p")
	p.publishIn(quiet.batch, &mqtt.Message{Topic: "t", Payload: []byte("long"), Retain: true})
	a.wants("t=long") // not stored, but routed
	if quiet.Retained.Len() != 0 || quiet.log.Len() == 0 {
		t.Error("a payload above the limit is stored, or nobody is told")
	}
	p.publishIn(quiet.batch, &mqtt.Message{Topic: "t", Retain: true})
	a.wants()
}

// TestSlowConsumer is a connection that takes nothing for a while.
func TestSlowConsumer(t *testing.T) {
	r := newRig(t)
	r.zone.Session.MaxMqueueLen = 3
	a := r.connect("a").subscribe("t", 1)
	p := r.connect("p")
	e := r.listen()
	a.full.Store(true)
	p.publish("t", "zero", 0)
	e.want(t, "delivery dropped a t qos0_msg")
	for _, payload := range []string{"1", "2", "3", "4", "5"} {
		p.publish("t", payload, 1)
	}
	e.want(t, "delivery dropped a t queue_full", "delivery dropped a t queue_full")
	if l := r.Ledger(); l.Queued != 3 || l.Dropped["queue_full"] != 2 || l.Dropped["qos0_msg"] != 1 {
		t.Errorf("ledger %+v", l)
	}
	a.full.Store(false)
	a.client.Drain(r.batch, a.fakeConn)
	a.wants("t=3", "t=4", "t=5")
	r.balances()
}

func TestTooLarge(t *testing.T) {
	r := newRig(t)
	a := r.connect("a").subscribe("t", 1)
	a.room = 3
	e := r.listen()
	p := r.connect("p")
	p.publish("t", "much", 1)
	p.publish("t", "few", 1)
	a.wants("t=few")
	e.want(t, "session created p", "connected p", "delivery dropped a t too_large")
	r.balances()
}

func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		old, young := r.connect("a").subscribe("t", 1), r.connect("b", v5).subscribe("t", 1)
		r.connect("p").publish("t", "1", 1)
		old.wants("t=1")
		young.wants("t=1")
		time.Sleep(65 * time.Second)
		old.wants("t=1 dup", "t=1 dup")
		young.wants() // [MQTT-4.4.0-1]
		r.balances()
	})
}

// TestPublishFromHook has a function on a hook that publishes, with a batch of
// its own, and looks at the client that the hook is about.
func TestPublishFromHook(t *testing.T) {
	r := newRig(t)
	a := r.connect("a").subscribe("t", 1).subscribe("echo", 1)
	own := r.NewBatch()
	r.Hooks.MessageAcked.Add("test", 0, func(e *hook.MessageAcked) hook.Verdict {
		if e.Message.Topic == "t" && r.Client(e.Client.ClientID).Status().Inflight == 0 {
			r.Publish(own, nil, &mqtt.Message{Topic: "echo", QoS: 1})
			own.End()
		}
		return hook.Continue
	})
	r.connect("p").publish("t", "1", 1)
	a.ack(r.batch, a.take()[0])
	a.wants("echo=")
}
