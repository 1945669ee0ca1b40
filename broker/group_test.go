package broker

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func withStrategy(s Strategy) func(*Options) {
	return func(o *Options) { o.Config.Broker.Strategy = string(s) }
}

var strategies = []Strategy{Random, RoundRobin, Sticky, HashClientID, HashTopic, Local}

// eachStrategy runs a test for each of them.
func eachStrategy(t *testing.T, test func(t *testing.T, r *rig)) {
	for _, s := range strategies {
		t.Run(string(s), func(t *testing.T) { test(t, newRig(t, withStrategy(s))) })
	}
}

// members connects clients m0, m1 … that share the filter t.
func (r *rig) members(n int, with ...how) (all []*peer) {
	for i := range n {
		all = append(all, r.connect(fmt.Sprint("m", i), append(with, expiry(60))...).subscribe("$share/g/t/#", 1))
	}
	return all
}

// payloads is what some peers got together, sorted, and how many each got.
func payloads(all []*peer) (got []string, each []int) {
	for _, p := range all {
		n := 0
		for _, s := range p.take() {
			got = append(got, s.payload)
			n++
		}
		each = append(each, n)
	}
	slices.Sort(got)
	return got, each
}

func numbers(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%03d", i))
	}
	return all
}

func (p *peer) publishNumbers(name string, n int, qos mqtt.QoS) {
	for _, payload := range numbers(n) {
		p.publish(name, payload, qos)
	}
}

func TestStrategies(t *testing.T) {
	f := func(s Strategy, topics, publishers int, ok func(each []int) bool) {
		t.Helper()
		r := newRig(t, withStrategy(s))
		r.zone.Session.MaxInflight = 0
		all := r.members(3)
		plain := r.connect("plain").subscribe("t/#", 0)
		for i := range 300 {
			name, by := fmt.Sprint("t/", i%topics), fmt.Sprint("p", i%publishers)
			r.Publish(r.batch, nil, &mqtt.Message{Topic: name, From: by, QoS: mqtt.QoS(i % 3)})
		}
		r.batch.End()
		_, each := payloads(all)
		if each[0]+each[1]+each[2] != 300 || !ok(each) {
			t.Errorf("%s, %d topics, %d publishers: the members got %v", s, topics, publishers, each)
		}
		if n := len(plain.take()); n != 300 {
			t.Errorf("%s: a plain subscriber got %d", s, n)
		}
		r.balances()
	}
	even := func(each []int) bool { return each[0] == 100 && each[1] == 100 }
	mixed := func(each []int) bool { return slices.Min(each) > 20 }
	one := func(each []int) bool { return slices.Max(each) == 300 }
	f(RoundRobin, 1, 1, even)
	f(Random, 1, 1, mixed)
	f(Local, 1, 1, mixed)
	f(HashClientID, 300, 1, one)
	f(HashClientID, 1, 300, mixed)
	f(HashTopic, 1, 300, one)
	f(HashTopic, 300, 1, mixed)
	f(Sticky, 300, 1, one)
	f(Sticky, 1, 300, mixed)
}

func TestStrategyOfAGroup(t *testing.T) {
	c := BrokerConfig{Strategy: "round_robbin", Groups: map[string]GroupConfig{"h": {Strategy: "hash"}, "d": {}}}
	f := func(group string, want Strategy) {
		t.Helper()
		if got := c.strategy(group); got != want {
			t.Errorf("%s: %s, want %s", group, got, want)
		}
	}
	f("h", HashClientID)
	f("d", RoundRobin)
	f("other", RoundRobin)
}

// TestStickyStays has other members come and go: a publisher changes its
// member only when that one goes.
func TestStickyStays(t *testing.T) {
	r := newRig(t, withStrategy(Sticky))
	all := r.members(5)
	p := r.connect("p")
	holder := func() int {
		p.publish("t/1", "x", 0)
		_, each := payloads(all)
		return slices.Index(each, 1)
	}
	first := holder()
	for i := range all {
		if i != first {
			all[i].unsubscribe("$share/g/t/#")
			if got := holder(); got != first {
				t.Fatalf("member %d left and the publisher went from %d to %d", i, first, got)
			}
		}
	}
}

// TestGroupWithoutRoom prefers members whose window is open, as far as the
// strategy leaves a choice.
func TestGroupWithoutRoom(t *testing.T) {
	eachStrategy(t, func(t *testing.T, r *rig) {
		all := r.members(2, window(1))
		p := r.connect("p")
		p.publish("t", "1", 1)
		p.publish("t", "2", 1)
		_, each := payloads(all)
		bound := r.cfg.Load().strategy("g") == Sticky || r.cfg.Load().strategy("g") == HashClientID || r.cfg.Load().strategy("g") == HashTopic
		if even := each[0]+each[1] == 2; even == bound {
			t.Errorf("the members got %v", each)
		}
		all[0].full.Store(true)
		all[1].full.Store(true)
		p.publish("t", "3", 1) // nobody has room: it waits with somebody who is connected
		if q := all[0].client.Status().Queued + all[1].client.Status().Queued; bound && q != 2 || !bound && q != 1 {
			t.Errorf("%d deliveries wait", q)
		}
		r.balances()
	})
}

// TestMemberGoesAway loses members in all ways there are; whatever they had
// not acknowledged must be acknowledged by another in the end.
func TestMemberGoesAway(t *testing.T) {
	ways := map[string]func(p *peer){
		"close":       func(p *peer) { p.close("closed") },
		"normal":      func(p *peer) { p.close("normal") },
		"end":         func(p *peer) { now := uint32(0); p.client.Close(p.batch, p.fakeConn, "normal", &now, false) },
		"kick":        func(p *peer) { p.Kick(p.batch, p.info.ClientID) },
		"clean start": func(p *peer) { p.connect(p.info.ClientID, clean) },
	}
	for way, leave := range ways {
		t.Run(way, func(t *testing.T) {
			eachStrategy(t, func(t *testing.T, r *rig) {
				all := r.members(3, window(7))
				r.connect("p").publishNumbers("t/1", 60, 1) // some in flight, some queued
				for _, gone := range all[:2] {
					gone.take() // and never acknowledged
					leave(gone)
				}
				r.batch.End()
				last := all[2]
				var got []string
				for more := last.take(); len(more) > 0; more = last.take() {
					for _, s := range more {
						got = append(got, s.payload)
						last.ack(r.batch, s)
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, numbers(60)) {
					t.Errorf("the last member got %d: %v", len(got), got)
				}
				r.balances()
			})
		})
	}
}

// TestNobodyThere publishes while all members are away, ends some of their
// sessions, and wants everything delivered to who comes back.
func TestNobodyThere(t *testing.T) {
	eachStrategy(t, func(t *testing.T, r *rig) {
		all := r.members(4, window(5))
		p := r.connect("p")
		p.publishNumbers("t/1", 30, 1)
		for _, m := range all {
			m.take()
			m.close("closed")
		}
		for _, payload := range []string{"100", "101", "102", "103"} {
			p.publish("t/2", payload, 1)
		}
		r.Kick(r.batch, "m0") // its share goes to the others, though none of them is there
		r.Kick(r.batch, "m1")
		if l := r.Ledger(); l.Dropped["session_ended"] != 0 {
			t.Errorf("dropped with other members left: %+v", l)
		}
		back := r.connect("m2", expiry(60), window(5))
		var got []string
		for more := back.take(); len(more) > 0; more = back.take() {
			for _, s := range more {
				got = append(got, s.payload)
				back.ack(r.batch, s)
			}
		}
		slices.Sort(got)
		if want := append(numbers(30), "100", "101", "102", "103"); !slices.Equal(got, want) {
			t.Errorf("got %d: %v", len(got), got)
		}
		r.balances()
	})
}

// TestNewMemberTakesOver is a member that subscribes when the others are away.
func TestNewMemberTakesOver(t *testing.T) {
	eachStrategy(t, func(t *testing.T, r *rig) {
		all := r.members(2)
		for _, m := range all {
			m.close("closed")
		}
		r.connect("p").publishNumbers("t", 10, 1)
		fresh := r.connect("fresh", window(100)).subscribe("$share/g/t/#", 1)
		if got, _ := payloads([]*peer{fresh}); !slices.Equal(got, numbers(10)) {
			t.Errorf("got %v", got)
		}
		r.balances()
	})
}

func TestLastMemberExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		m := r.members(1)[0]
		m.close("closed")
		r.connect("p").publishNumbers("t", 10, 1)
		time.Sleep(61 * time.Second)
		if l := r.Ledger(); l.Dropped["session_ended"] != 10 {
			t.Errorf("ledger %+v", l)
		}
		r.balances()
		if code := r.connect("q").publish("t", "x", 1); code != mqtt.NoMatchingSubscribers {
			t.Errorf("with no member left: %v", code)
		}
	})
}

// TestParkRace has one member go, another come and a message published at the
// same moment, again and again: whoever is there in the end has it all.
func TestParkRace(t *testing.T) {
	rounds := 10_000
	if testing.Short() {
		rounds = 1000
	}
	r := newRig(t)
	here, there := r.connect("m0", expiry(60)).subscribe("$share/g/t", 1), r.connect("m1", expiry(60)).subscribe("$share/g/t", 1)
	there.close("closed")
	p := r.connect("p")
	batches := []*Batch{r.NewBatch(), r.NewBatch(), r.NewBatch()}
	for i := range rounds {
		var all sync.WaitGroup
		var next *peer
		all.Go(func() {
			here.client.Close(batches[0], here.fakeConn, "closed", nil, true)
			batches[0].End()
		})
		all.Go(func() { next = r.connectIn(batches[1], there.info.ClientID, expiry(60)) })
		all.Go(func() { p.publishIn(batches[2], &mqtt.Message{Topic: "t", QoS: 1, Payload: []byte(fmt.Sprint(i))}) })
		all.Wait()
		here, there = next, here
		if s := there.client.Status(); s.Inflight+s.Queued > 0 {
			t.Fatalf("round %d: %d messages are left with the member that went away", i, s.Inflight+s.Queued)
		}
		got := here.take()
		if len(got) != 1 {
			t.Fatalf("round %d: the member that is there got %v", i, got)
		}
		here.ack(r.batch, got[0])
	}
	r.balances()
}

// TestQoS2StaysWithItsMember [MQTT-4.8.2-5].
func TestQoS2StaysWithItsMember(t *testing.T) {
	r := newRig(t)
	a := r.connect("a", expiry(60)).subscribe("$share/g/t", 2)
	r.connect("p").publish("t", "1", 2)
	b := r.connect("b", expiry(60)).subscribe("$share/g/t", 2)
	a.wants("t=1")
	a.close("closed")
	b.wants()
	r.connect("a", expiry(60)).wants("t=1 dup")
	r.balances()
}

// TestMemberUnsubscribes with deliveries on their way to it: they still reach
// it, and if it goes for good before, another member.
func TestMemberUnsubscribes(t *testing.T) {
	r := newRig(t)
	a := r.connect("a", window(1)).subscribe("$share/g/t", 1)
	r.connect("p").publishNumbers("t", 3, 1)
	b := r.connect("b", window(1)).subscribe("$share/g/t", 1)
	a.unsubscribe("$share/g/t")
	a.wants("t=000")
	a.ack(r.batch, sent{qos: 1, id: 1})
	a.wants("t=001")
	a.close("closed")
	b.wants("t=001")
	b.ack(r.batch, sent{qos: 1, id: 1})
	b.wants("t=002")
	r.balances()
}
