package broker

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestParseDelayed(t *testing.T) {
	const now = 1_700_000_000_000
	f := func(name string, wantAt int64, want string) {
		t.Helper()
		at, rest, ok := parseDelayed(name, now)
		if rest != want || at != wantAt || ok != (want != "") {
			t.Errorf("%s: %d %q %v, want %d %q", name, at, rest, ok, wantAt, want)
		}
	}
	f("$delayed/1/t", now+1000, "t")
	f("$delayed/15/a/b", now+15_000, "a/b")
	f("$delayed/4294966/t", now+4294966_000, "t")
	f("$delayed/1700000100/t", now+100_000, "t")
	f("$delayed/1699999999/t", now-1000, "t") // a second ago
	f("$delayed/1704294967/t", now+4294967_000, "t")
	f("$delayed/1704294968/t", 0, "") // too far away
	f("$delayed/1695705033/t", now-4294967_000, "t")
	f("$delayed/1695705032/t", 0, "")
	f("$delayed/4294967/t", 0, "") // a day of 1970
	f("$delayed/99999999999999999/t", 0, "")
	f("$delayed/99999999999999999999/t", 0, "")
	f("$delayed/0/t", 0, "")
	f("$delayed/-1/t", 0, "")
	f("$delayed/x/t", 0, "")
	f("$delayed/5", 0, "")
	f("$delayed/5/", 0, "")
	f("$delayed//t", 0, "")
	f("$delayed/", 0, "")
	f("$delayed/5//", now+5000, "/")
	f("$delayed/5/$delayed/6/t", now+5000, "$delayed/6/t")
}

func TestDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		watch := r.connect("watch").subscribe("#", 1).subscribe("$delayed/#", 1)
		p := r.connect("p")
		if code := p.publish("$delayed/10/a", "1", 1); code != mqtt.NoMatchingSubscribers {
			t.Errorf("the publisher is told %v", code)
		}
		p.publish("$delayed/5/b", "2", 1)
		p.publish("$delayed/10/a", "3", 0)
		p.publish(fmt.Sprintf("$delayed/%d/c", Now()/1000+7), "4", 1)
		if r.metric("delayed.count") != 4 || r.metric("messages.delayed") != 4 || r.metric("messages.dropped") != 0 {
			t.Error("the four are not counted")
		}
		watch.wants()
		time.Sleep(4900 * time.Millisecond)
		watch.wants()
		time.Sleep(200 * time.Millisecond)
		watch.wants("b=2")
		time.Sleep(2 * time.Second)
		watch.wants("c=4")
		time.Sleep(3 * time.Second)
		watch.wants("a=1", "a=3") // in the order in which they came
		if r.metric("delayed.count") != 0 || r.metric("delayed.max") != 4 {
			t.Error("the table isn't empty")
		}

		p.publish("$delayed/soon/a", "5", 1)
		p.publish("$delayed/soon/a", "6", 1)
		watch.wants("$delayed/soon/a=5", "$delayed/soon/a=6")
		if n := strings.Count(r.log.String(), "no valid delay"); n != 1 {
			t.Errorf("%d lines in the log, want 1: a client could fill the disk", n)
		}
		r.balances()
	})
}

func TestDelayedBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *Options) { o.Config.Broker.MaxDelayed, o.Config.Broker.MaxDelayedBytes = 3, 10 })
		p := r.connect("p")
		f := func(payload string, want mqtt.ReasonCode) {
			t.Helper()
			if code := p.publish("$delayed/10/a", payload, 1); code != want {
				t.Errorf("%q: %v, want %v", payload, code, want)
			}
		}
		f("12345678", mqtt.NoMatchingSubscribers)
		f("123", mqtt.QuotaExceeded)
		f("12", mqtt.NoMatchingSubscribers)
		f("", mqtt.NoMatchingSubscribers)
		f("", mqtt.QuotaExceeded)
		if r.metric("messages.dropped") != 2 {
			t.Error("the two are not counted")
		}
		time.Sleep(11 * time.Second)
		f("1234567890", mqtt.NoMatchingSubscribers)
	})
}

func TestDelayedRetainedAndExpiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		watch := r.connect("watch").subscribe("#", 1)
		p := r.connect("p")
		p.publishIn(r.batch, &mqtt.Message{Topic: "$delayed/5/kept", Payload: []byte("1"), Retain: true})
		p.publishIn(r.batch, &mqtt.Message{Topic: "$delayed/5/late", Payload: []byte("2"), ExpiresAt: Now() + 3000})
		if r.Retained.Len() != 0 {
			t.Error("retained before its time")
		}
		time.Sleep(6 * time.Second)
		watch.wants("kept=1")
		if r.Retained.Len() != 1 {
			t.Error("not retained at its time")
		}
		if l := r.Ledger(); l.Dropped["expired"] != 1 {
			t.Errorf("ledger %+v", l)
		}
	})
}
