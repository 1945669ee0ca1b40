package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestOpenAndClose(t *testing.T) {
	r := newRig(t)
	e := r.listen()

	a := r.connect("a", clean)
	e.want(t, "session created a", "connected a")
	if a.present || r.Client("a") != a.client || !a.client.Connected() {
		t.Errorf("present %v, client %p, connected %v", a.present, r.Client("a"), a.client.Connected())
	}
	a.close("normal")
	e.want(t, "disconnected a normal", "session terminated a normal")
	if r.Client("a") != nil {
		t.Error("the session of expiry 0 is still there")
	}

	a = r.connect("a", expiry(60))
	e.want(t, "session created a", "connected a")
	a.subscribe("t", 1)
	e.want(t, "subscribed a t new=true")
	a.subscribe("t", 2)
	e.want(t, "subscribed a t new=false")
	a.close("closed")
	e.want(t, "disconnected a closed")
	a = r.connect("a", expiry(60))
	e.want(t, "session resumed a", "connected a")
	if !a.present {
		t.Error("session present is false")
	}
	if code := a.unsubscribe("t"); code != mqtt.Success {
		t.Errorf("unsubscribe: %v", code)
	}
	e.want(t, "unsubscribed a t")
	if code := a.unsubscribe("t"); code != mqtt.NoSubscriptionExisted {
		t.Errorf("unsubscribe again: %v", code)
	}
	e.want(t)
}

func TestTakeover(t *testing.T) {
	r := newRig(t)
	e := r.listen()
	old := r.connect("a", expiry(60)).subscribe("t", 1)
	e.want(t, "session created a", "connected a", "subscribed a t new=true")
	r.connect("p").publish("t", "1", 1)
	old.wants("t=1")
	e.want(t, "session created p", "connected p")

	a := r.connect("a", expiry(60))
	if got := old.ending(); got != endTakenOver {
		t.Errorf("the old connection was told %+v", got)
	}
	a.wants("t=1 dup")
	e.want(t, "session taken over a takeovered", "session resumed a", "connected a")

	// What the old connection does now is nobody's business any more.
	old.close("closed")
	if code, _ := old.subscribeIn(r.batch, "x", mqtt.SubscribeOptions{}, 0); code != mqtt.UnspecifiedError {
		t.Errorf("a superseded connection subscribes: %v", code)
	}
	if code := old.unsubscribe("t"); code != mqtt.UnspecifiedError {
		t.Errorf("a superseded connection unsubscribes: %v", code)
	}
	old.ack(r.batch, sent{qos: 1, id: 1})
	old.client.Drain(r.batch, old.fakeConn)
	if dup, err := old.client.Received(r.batch, old.fakeConn, 7); !dup || err != nil {
		t.Errorf("a superseded connection sends at QoS 2: %v %v", dup, err)
	}
	if waited, _ := old.client.Released(r.batch, old.fakeConn, 7); waited {
		t.Error("a superseded connection releases")
	}
	e.want(t)
	if s := a.client.Status(); !s.Connected || s.Inflight != 1 || s.Subscribed != 1 {
		t.Errorf("after the takeover: %+v", s)
	}
	r.balances()
}

func TestDiscard(t *testing.T) {
	r := newRig(t)
	e := r.listen()
	old := r.connect("a", expiry(60)).subscribe("t", 1)
	e.want(t, "session created a", "connected a", "subscribed a t new=true")
	a := r.connect("a", clean)
	if got := old.ending(); got != endDiscarded {
		t.Errorf("the old connection was told %+v", got)
	}
	e.want(t, "session discarded a discarded", "session created a", "connected a")
	old.close("closed")
	e.want(t)
	if a.client == old.client || !a.client.Connected() || a.client.Status().Subscribed != 0 {
		t.Errorf("the new session is %+v", a.client.Status())
	}
	if n := r.metric("topics.count"); n != 0 {
		t.Errorf("%d filters are left in the index", n)
	}
}

func TestKick(t *testing.T) {
	r := newRig(t)
	e := r.listen()
	a := r.connect("a", expiry(60))
	e.want(t, "session created a", "connected a")
	if !r.Kick(r.batch, "a") || r.Kick(r.batch, "a") || r.Kick(r.batch, "nobody") {
		t.Error("want one client kicked, once")
	}
	if got := a.ending(); got != endKicked {
		t.Errorf("the connection was told %+v", got)
	}
	e.want(t, "disconnected a kicked", "session terminated a kicked")

	a = r.connect("a", expiry(60))
	a.close("closed")
	e.want(t, "session created a", "connected a", "disconnected a closed")
	r.Kick(r.batch, "a")
	e.want(t, "session terminated a kicked")
}

func TestTellOfSupersededConnections(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Config.Broker.TellTakenOver, o.Config.Broker.TellDiscarded = true, true })
	r.connect("a", expiry(60))
	e := r.listen()
	r.connect("a", expiry(60))
	e.want(t, "disconnected a takeovered", "session taken over a takeovered", "session resumed a", "connected a")
	r.connect("a", clean)
	e.want(t, "disconnected a discarded", "session discarded a discarded", "session created a", "connected a")
	if n := r.metric("client.disconnected"); n != 2 {
		t.Errorf("client.disconnected is %d, want 2", n)
	}
}

func TestSessionExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", expiry(100)).subscribe("t", 1)
		time.Sleep(3 * time.Hour) // a connected client doesn't expire
		a.close("closed")
		e := r.listen()
		time.Sleep(50 * time.Second)
		r.connect("p", clean).publish("t", "1", 1)
		e.want(t, "session created p", "connected p")
		time.Sleep(49800 * time.Millisecond)
		if r.Client("a") == nil {
			t.Fatal("the session has expired too early")
		}
		time.Sleep(500 * time.Millisecond)
		e.want(t, "delivery dropped a t session_ended", "session terminated a expired")
		if r.Client("a") != nil {
			t.Error("the session is still there after its expiry")
		}
		r.balances()
	})
}

func TestSessionExpiryAtDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a := r.connect("a", v5, expiry(100))
		e := r.listen()
		longer, never := uint32(1000), uint32(0xFFFFFFFF)
		a.client.Close(r.batch, a.fakeConn, "normal", &longer, false)
		time.Sleep(990 * time.Second)
		e.want(t, "disconnected a normal")
		time.Sleep(11 * time.Second)
		e.want(t, "session terminated a expired")

		a = r.connect("a", v5, expiry(100))
		a.client.Close(r.batch, a.fakeConn, "normal", &never, false)
		e.want(t, "session created a", "connected a", "disconnected a normal")
		time.Sleep(3 * time.Hour)
		e.want(t)

		a = r.connect("a", v5, expiry(100))
		now := uint32(0)
		a.client.Close(r.batch, a.fakeConn, "normal", &now, false)
		e.want(t, "session resumed a", "connected a", "disconnected a normal", "session terminated a normal")
	})
}

// TestResumeExpired is a client that comes back when its time is over and the
// wheel hasn't noticed yet.
func TestResumeExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		time.Sleep(50 * time.Millisecond) // between two ticks
		r.connect("a", expiry(1)).close("closed")
		e := r.listen()
		time.Sleep(time.Second)
		a := r.connect("a", expiry(1))
		e.want(t, "session terminated a expired", "session created a", "connected a")
		if a.present {
			t.Error("an expired session is present")
		}
	})
}

func TestConnInfoOfHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var came, went *hook.ConnInfo
		r.Hooks.ClientConnected.Add("test", 0, func(c *hook.ConnInfo) hook.Verdict { came = c; return hook.Continue })
		r.Hooks.ClientDisconnected.Add("test", 0, func(c *hook.ClientDisconnected) hook.Verdict { went = c.Conn; return hook.Continue })
		props := &mqtt.Properties{Present: mqtt.PropReceiveMaximum, ReceiveMaximum: 9}
		start := Now()
		a := r.connect("a", v5, clean, window(9), expiry(7), func(o *Opening) { o.Ask.Props = props })
		time.Sleep(5 * time.Second)
		a.close("closed")
		want := hook.ConnInfo{Client: a.info, CleanStart: true, KeepAlive: 60, ReceiveMaximum: 9, ExpiryInterval: 7, ConnectedAt: start, Props: props}
		if *came != want {
			t.Errorf("connected with %+v\nwant %+v", *came, want)
		}
		want.Props, want.DisconnectedAt = nil, start+5000
		if *went != want {
			t.Errorf("disconnected with %+v\nwant %+v", *went, want)
		}
	})
}

func TestStatus(t *testing.T) {
	r := newRig(t)
	a := r.connect("a", expiry(60), window(1)).subscribe("t", 2).subscribe("u", 0)
	p := r.connect("p")
	for _, payload := range []string{"1", "22", "333"} {
		p.publish("t", payload, 2)
	}
	a.client.Received(r.batch, a.fakeConn, 5)
	s := a.client.Status()
	if s.Inflight != 1 || s.Queued != 2 || s.QueuedBytes != 5 || s.AwaitingRel != 1 || s.Subscribed != 2 || s.Zone != r.zone ||
		s.Client != a.info || s.ReceiveMaximum != 1 || s.ExpiryInterval != 60 || !s.Connected {
		t.Errorf("status %+v", s)
	}
	if a.client.ExpiryInterval() != 60 || a.client.Info() != a.info {
		t.Error("expiry or identity are wrong")
	}
	var filters []string
	for sub := range a.client.Subscriptions() {
		filters = append(filters, sub.Filter)
	}
	if len(filters) != 2 {
		t.Errorf("subscriptions %q", filters)
	}
	n := 0
	for range r.Clients() {
		n++
	}
	if n != 2 {
		t.Errorf("%d clients, want 2", n)
	}
}

func TestAwaitRelTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.zone.Session.MaxAwaitingRel = 1
		a := r.connect("a")
		a.client.Received(r.batch, a.fakeConn, 5)
		if dup, _ := a.client.Received(r.batch, a.fakeConn, 5); !dup {
			t.Error("the second one is no duplicate")
		}
		if _, err := a.client.Received(r.batch, a.fakeConn, 6); err == nil {
			t.Error("more are taken than max_awaiting_rel")
		}
		r.batch.End()
		time.Sleep(301 * time.Second)
		if n := r.metric("messages.dropped.await_pubrel_timeout"); n != 1 {
			t.Errorf("%d timeouts, want 1", n)
		}
		if waited, _ := a.client.Released(r.batch, a.fakeConn, 5); waited {
			t.Error("the identifier is still known")
		}
	})
}
