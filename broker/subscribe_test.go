package broker

import (
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestSubscriptionCounts checks the four stats and the index after each step.
func TestSubscriptionCounts(t *testing.T) {
	r := newRig(t)
	a, b := r.connect("a", expiry(60)), r.connect("b", expiry(60))
	f := func(step string, all, shared, filters int64) {
		t.Helper()
		got := [3]int64{r.metric("subscriptions.count"), r.metric("subscriptions.shared.count"), r.metric("topics.count")}
		if want := [3]int64{all, shared, filters}; got != want {
			t.Errorf("%s: subscriptions, shared, filters are %v, want %v", step, got, want)
		}
		if n := r.metric("subscribers.count"); n != all {
			t.Errorf("%s: %d subscribers, want %d", step, n, all)
		}
	}
	a.subscribe("t", 0)
	f("first", 1, 0, 1)
	a.subscribe("t", 2)
	f("again", 1, 0, 1)
	b.subscribe("t", 0)
	f("by another", 2, 0, 1)
	a.subscribe("$share/g/t", 1)
	f("shared", 3, 1, 1)
	a.subscribe("$share/g/t", 0).subscribe("$share/g/t", 2)
	f("shared again", 3, 1, 1)
	a.subscribe("$queue/u", 1)
	f("queue", 4, 2, 2)
	a.subscribe("$share/$queue/u", 1)
	f("queue in its other spelling", 4, 2, 2)
	if a.client.shared != 2 {
		t.Errorf("the client counts %d memberships, want 2", a.client.shared)
	}
	if a.unsubscribe("$queue/u") != mqtt.Success {
		t.Error("can't unsubscribe by the first spelling")
	}
	f("queue left", 3, 1, 1)
	a.subscribe("$exclusive/x", 1)
	f("exclusive", 4, 1, 2)
	a.close("closed")
	f("offline", 4, 1, 2)
	r.Kick(r.batch, "a")
	f("ended", 1, 0, 1)
	b.unsubscribe("t")
	f("none left", 0, 0, 0)
	if n := r.metric("subscriptions.max"); n != 4 {
		t.Errorf("subscriptions.max is %d, want 4", n)
	}
	if len(r.groups.all) != 0 || len(r.exclusive.holders) != 0 {
		t.Errorf("%d groups and %d exclusive topics are left", len(r.groups.all), len(r.exclusive.holders))
	}
}

func TestMaxSubscriptions(t *testing.T) {
	r := newRig(t)
	r.zone.Session.MaxSubscriptions = 1
	a, b := r.connect("a"), r.connect("b")
	a.subscribe("t", 0).subscribe("t", 1)
	for _, filter := range []string{"u", "$share/g/u", "$exclusive/u"} {
		if code, _ := a.subscribeIn(r.batch, filter, mqtt.SubscribeOptions{}, 0); code != mqtt.QuotaExceeded {
			t.Errorf("%s: %v", filter, code)
		}
	}
	b.subscribe("$exclusive/u", 0) // the refused one has left nothing behind
	if n := r.metric("subscriptions.count"); n != 2 {
		t.Errorf("%d subscriptions, want 2", n)
	}
}

func TestExclusive(t *testing.T) {
	r := newRig(t)
	a, b, p := r.connect("a", expiry(60)), r.connect("b", expiry(60)), r.connect("p")
	f := func(p *peer, filter string, want mqtt.ReasonCode) {
		t.Helper()
		if code, _ := p.subscribeIn(r.batch, filter, mqtt.SubscribeOptions{}, 0); code != want {
			t.Errorf("%s on %s: %v, want %v", p.info.ClientID, filter, code, want)
		}
	}
	f(a, "$exclusive/t", mqtt.Success)
	f(a, "$exclusive/t", mqtt.Success) // it holds it already
	f(b, "$exclusive/t", mqtt.QuotaExceeded)
	f(b, "$exclusive/u", mqtt.Success)
	f(b, "t", mqtt.Success) // plain ones don't mind
	f(a, "t", mqtt.Success)
	p.publish("t", "1", 0)
	a.wants("t=1", "t=1")
	b.wants("t=1")
	a.unsubscribe("t")
	p.publish("t", "2", 0)
	a.wants("t=2")
	a.close("closed")
	f(b, "$exclusive/t", mqtt.QuotaExceeded) // the session still has it
	r.Kick(r.batch, "a")
	f(b, "$exclusive/t", mqtt.Success)
	b.unsubscribe("$exclusive/t")
	f(p, "$exclusive/t", mqtt.Success)
}

func TestSubscriptionOptions(t *testing.T) {
	r := newRig(t)
	a := r.connect("a", v5)
	add := func(filter string, o mqtt.SubscribeOptions, id uint32) { a.subscribeIn(r.batch, filter, o, id) }
	add("own/#", mqtt.SubscribeOptions{NoLocal: true}, 0)
	add("rap", mqtt.SubscribeOptions{QoS: 1, RetainAsPublished: true}, 0)
	add("id", mqtt.SubscribeOptions{QoS: 2}, 77)
	e := r.listen()
	a.publish("own/1", "mine", 0)
	a.wants()
	e.want(t, "delivery dropped a own/1 no_local")
	p := r.connect("p")
	p.publish("own/1", "not mine", 0)
	a.wants("own/1=not mine")
	p.publishIn(r.batch, &mqtt.Message{Topic: "rap", Payload: []byte("1"), Retain: true})
	p.publishIn(r.batch, &mqtt.Message{Topic: "id", Payload: []byte("2"), QoS: 1, Retain: true})
	got := a.take()
	if len(got) != 2 || !got[0].retain || got[0].qos != 0 || got[1].retain || got[1].qos != 1 || got[1].sub != 77 {
		t.Errorf("got %+v", got)
	}
	r.balances()
}

func TestRetainHandling(t *testing.T) {
	r := newRig(t)
	r.connect("p").publishIn(r.batch, &mqtt.Message{Topic: "t", Payload: []byte("1"), Retain: true})
	a := r.connect("a", v5)
	f := func(filter string, handling byte, want ...string) {
		t.Helper()
		a.subscribeIn(r.batch, filter, mqtt.SubscribeOptions{RetainHandling: handling}, 0)
		a.wants(want...)
	}
	f("t", 1, "t=1 retain")
	f("t", 1)
	f("t", 2)
	f("t", 0, "t=1 retain")
	f("+", 2)
	f("$share/g/t", 0) // none for shared ones
	f("$exclusive/t", 0, "t=1 retain")
	r.balances()
}
