package broker

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

func TestByID(t *testing.T) {
	r := newRig(t)
	a := r.connect("a", expiry(60))
	r.connect("b")
	a.close("closed")
	all := maps.Collect(r.ByID())
	if len(all) != 2 || all["a"] != a.client || all["a"].Connected() || !all["b"].Connected() {
		t.Errorf("got %v", all)
	}
	if n := r.Sessions(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
	for range r.ByID() { // may be left, and may use the registry
		r.Kick(r.batch, "b")
		break
	}
	if r.Client("b") != nil {
		t.Error("b is still there")
	}
}

func TestFilters(t *testing.T) {
	r := newRig(t)
	r.connect("a").subscribe("t/1", 0).subscribe("t/+", 0).subscribe("$share/g/s/#", 0).subscribe("$exclusive/x", 0)
	r.connect("b").subscribe("t/1", 0)
	if got, want := slices.Sorted(r.Filters()), []string{"s/#", "t/+", "t/1", "x"}; !slices.Equal(got, want) || r.FilterCount() != 4 {
		t.Errorf("got %q, %d of them, want %q", got, r.FilterCount(), want)
	}
	for filter, want := range map[string]bool{"t/1": true, "t/+": true, "t/2": false, "s/#": true, "$share/g/s/#": false, "x": true} {
		if got := r.HasFilter(filter); got != want {
			t.Errorf("%s: %v, want %v", filter, got, want)
		}
	}
	for range r.Filters() {
		break
	}
}

func TestDisconnectedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		a, ever := r.connect("a", expiry(60)), r.connect("ever", expiry(session.Never))
		time.Sleep(time.Second)
		if at := a.client.DisconnectedAt(); at != 0 {
			t.Errorf("disconnected at %d while connected", at)
		}
		a.close("closed")
		ever.close("closed")
		gone := Now()
		time.Sleep(time.Second)
		if at := a.client.DisconnectedAt(); at != gone {
			t.Errorf("disconnected at %d, want %d", at, gone)
		}
		if at := ever.client.DisconnectedAt(); at != 0 {
			t.Errorf("a session that never expires: disconnected at %d", at)
		}
	})
}

// subscribeFor is SubscribeFor with the answer as text.
func (r *rig) subscribeFor(id, filter string, qos mqtt.QoS) string {
	code, known := r.SubscribeFor(r.batch, id, mqtt.SubscribeFilter{Filter: filter, SubscribeOptions: mqtt.SubscribeOptions{QoS: qos}})
	r.batch.End()
	return fmt.Sprint(code, " ", known)
}

func (r *rig) unsubscribeFor(id, filter string) string {
	code, known := r.UnsubscribeFor(r.batch, id, filter)
	return fmt.Sprint(code, " ", known)
}

func (r *rig) want(got, want string) {
	r.Helper()
	if got != want {
		r.Errorf("got %s, want %s", got, want)
	}
}

func TestSubscribeFor(t *testing.T) {
	r := newRig(t)
	var told []string
	if err := r.Hooks.SessionSubscribed.Add("test", 0, func(e *hook.SessionSubscription) hook.Verdict {
		told = append(told, e.Client.ClientID+" "+e.Filter)
		return hook.Continue
	}); err != nil {
		t.Fatal(err)
	}
	p, a := r.connect("p"), r.connect("a")
	p.publishIn(r.batch, &mqtt.Message{Topic: "t/1", Payload: []byte("kept"), Retain: true})
	ok := mqtt.ReasonCode(1).String() + " true"
	r.want(r.subscribeFor("a", "t/+", 1), ok)
	r.want(fmt.Sprint(a.take()), "[t/1=kept retain]")
	p.publish("t/2", "live", 0)
	r.want(fmt.Sprint(a.take()), "[t/2=live]")
	r.want(r.subscribeFor("nobody", "t", 0), "success false")
	r.want(r.subscribeFor("a", "t/#/u", 0), mqtt.TopicFilterInvalid.String()+" true")
	r.want(r.unsubscribeFor("a", "t/#/u"), mqtt.TopicFilterInvalid.String()+" true")
	r.want(r.unsubscribeFor("nobody", "t"), "success false")
	r.want(r.unsubscribeFor("a", "t/+"), "success true")
	r.want(r.unsubscribeFor("a", "t/+"), mqtt.NoSubscriptionExisted.String()+" true")
	p.publish("t/2", "late", 0)
	r.want(fmt.Sprint(a.take(), told), "[] [a t/+]")
}

// TestSubscribeForAbsent gives a session that is away a subscription: it gets
// what is published from then on, and nothing retained.
func TestSubscribeForAbsent(t *testing.T) {
	r := newRig(t)
	p, a := r.connect("p"), r.connect("a", expiry(60))
	a.close("closed")
	p.publishIn(r.batch, &mqtt.Message{Topic: "t/1", Payload: []byte("kept"), QoS: 1, Retain: true})
	r.subscribeFor("a", "t/+", 1)
	p.publish("t/2", "live", 1)
	r.want(fmt.Sprint(r.connect("a", expiry(60)).take()), "[t/2=live]")
	r.want(r.unsubscribeFor("a", "t/+"), "success true")
}

// TestSubscribeForOptions are those that the client's own SUBSCRIBE would get.
func TestSubscribeForOptions(t *testing.T) {
	r := newRig(t)
	r.zone.IgnoreLoopDeliver, r.zone.MaxQoSAllowed = true, 1
	f := func(want session.Subscription, filter string, with ...how) {
		t.Helper()
		a := r.connect("a", append(with, clean)...)
		r.subscribeFor("a", filter, 2)
		got := slices.Collect(a.client.Subscriptions())
		if len(got) != 1 || *got[0] != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if n := a.client.SubscriptionCount(); n != 1 {
			t.Errorf("%d subscriptions", n)
		}
		if same := a.client.AppendSubscriptions(got); len(same) != 2 || same[1] != got[0] {
			t.Errorf("got %v", same)
		}
		r.want(r.unsubscribeFor("a", filter), "success true")
	}
	opts := func(noLocal, asPublished bool) mqtt.SubscribeOptions {
		return mqtt.SubscribeOptions{QoS: 1, NoLocal: noLocal, RetainAsPublished: asPublished}
	}
	f(session.Subscription{Filter: "t", SubscribeOptions: opts(true, false)}, "t")
	f(session.Subscription{Filter: "t", SubscribeOptions: opts(false, false)}, "t", v5)
	f(session.Subscription{Filter: "t", SubscribeOptions: opts(true, true)}, "t", func(o *Opening) { o.Ask.Client.Bridge = true })
	f(session.Subscription{Filter: "m/t/#", SubscribeOptions: opts(true, false)}, "t/#", mounted("m/"))
	f(session.Subscription{Filter: "$share/g/m/t", SubscribeOptions: opts(false, false)}, "$share/g/t", mounted("m/"))
	f(session.Subscription{Filter: "$share/$queue/t", SubscribeOptions: opts(false, false)}, "$queue/t")
}

// TestSubscribeForRace has an operator and reconnecting clients meet. At the
// end the books must be as if they hadn't.
func TestSubscribeForRace(t *testing.T) {
	r := newRig(t)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := r.NewBatch()
		for {
			select {
			case <-stop:
				return
			default:
				r.connectIn(b, "a", expiry(60))
				r.connectIn(b, "a", clean)
				r.Kick(b, "a")
			}
		}
	}()
	for i := range 2000 {
		filter := fmt.Sprint("t/", i%3)
		r.subscribeFor("a", filter, 1)
		r.unsubscribeFor("a", filter)
	}
	close(stop)
	<-done
	r.Kick(r.batch, "a")
	if n := r.metric("subscriptions.count"); n != 0 || r.FilterCount() != 0 {
		t.Errorf("%d subscriptions and %d filters are left", n, r.FilterCount())
	}
}

// BenchmarkByID is what a list of 20,000 clients begins with.
func BenchmarkByID(b *testing.B) {
	r := newRig(b)
	for i := range 20_000 {
		r.connect(fmt.Sprintf("client-%05d", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range r.ByID() {
			n++
		}
		if n != 20_000 {
			b.Fatal(n)
		}
	}
}

func TestDisconnectBanned(t *testing.T) {
	r := newRig(t)
	r.zone.EnableBan = true
	a, b, c := r.connect("a", expiry(60)), r.connect("b"), r.connect("c")
	r.DisconnectBanned([]string{"a", "nobody"}, nil)
	if a.ending() != endKicked || b.ending() != (Ending{}) || c.ending() != (Ending{}) {
		t.Error(a.ending(), b.ending(), c.ending())
	}
	a.close("kicked")
	r.DisconnectBanned([]string{"a"}, func(who *hook.ClientInfo) bool { return who.ClientID == "c" })
	if b.ending() != (Ending{}) || c.ending() != endKicked || r.Client("a") == nil {
		t.Error(b.ending(), c.ending())
	}
	r.zone.EnableBan = false
	r.DisconnectBanned([]string{"b"}, func(*hook.ClientInfo) bool { return true })
	if b.ending() != (Ending{}) {
		t.Error("the zone has no bans")
	}
}

func TestDisconnect(t *testing.T) {
	r := newRig(t)
	a := r.connect("a", expiry(60))
	if !r.Disconnect("a") || a.ending() != endKicked {
		t.Errorf("the connection got %v, want %v", a.ending(), endKicked)
	}
	a.close("kicked") // as a connection does that was told to end
	if r.Disconnect("a") || r.Disconnect("nobody") || r.Client("a") == nil {
		t.Error("without a connection there is nothing to end, and the session stays")
	}
}
