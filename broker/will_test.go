package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestWill goes through the ways a client goes away. after is the time in
// seconds after which the will is there; -1: it never comes.
func TestWill(t *testing.T) {
	f := func(name string, delay, keep uint32, after int, away func(a *peer)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			watch := r.connect("watch").subscribe("will", 0)
			a := r.connect("a", v5, expiry(keep), will("will", delay))
			away(a)
			r.batch.End()
			came := -1
			for seconds := range 1001 {
				if len(watch.take()) > 0 {
					came = seconds
					break
				}
				time.Sleep(time.Second + time.Millisecond)
			}
			if came != after && !(after > 0 && came == after+1) { // a tick may lie in between
				t.Errorf("%s: the will came after %d s, want %d", name, came, after)
			}
			r.balances()
		})
	}
	closed := func(a *peer) { a.close("closed") }
	f("connection lost", 0, 0, 0, closed)
	f("connection lost, session goes on", 0, 100, 0, closed)
	f("normal DISCONNECT", 0, 0, -1, func(a *peer) { a.close("normal") })
	f("normal DISCONNECT, session goes on", 10, 100, -1, func(a *peer) { a.close("normal") })
	f("delay, session goes on", 10, 100, 10, closed)
	f("delay longer than the session", 100, 10, 10, closed)
	f("delay, no session", 100, 0, 0, closed)
	f("kicked", 0, 100, 0, func(a *peer) { a.Kick(a.batch, "a") })
	f("kicked with a delay", 50, 100, 0, func(a *peer) { a.Kick(a.batch, "a") })
	f("kicked while away", 50, 100, 0, func(a *peer) { closed(a); a.Kick(a.batch, "a") })
	f("taken over", 0, 100, -1, func(a *peer) { a.connect("a", v5, expiry(100)) })
	f("discarded", 0, 100, -1, func(a *peer) { a.connect("a", v5, clean) })
	f("back before the delay is over", 50, 100, -1, func(a *peer) { closed(a); a.connect("a", v5, expiry(100)) })
	f("clean start before the delay is over", 50, 100, -1, func(a *peer) { closed(a); a.connect("a", v5, clean) })
	f("session shortened to nothing at DISCONNECT with will", 50, 100, 0, func(a *peer) {
		now := uint32(0)
		a.client.Close(a.batch, a.fakeConn, "disconnect_with_will_message", &now, true)
	})
	away := func(a *peer) { a.client.HoldWill(a.batch, a.fakeConn); closed(a) }
	f("sent away", 0, 100, willGrace, away)
	f("sent away with a longer delay", 50, 100, 50, away)
	f("sent away with a short session", 0, 10, 10, away)
	f("sent away with its session", 0, 0, -1, away)
	f("sent away and back", 0, 100, -1, func(a *peer) { away(a); a.connect("a", v5, expiry(100)) })
	f("sent away and kicked", 0, 100, 0, func(a *peer) { away(a); a.Kick(a.batch, "a") })
	f("a superseded connection is sent away", 0, 100, 0, func(a *peer) {
		now := a.connect("a", v5, expiry(100), will("will", 0))
		a.client.HoldWill(a.batch, a.fakeConn)
		closed(now)
	})
	f("the broker stops", 0, 0, -1, func(a *peer) { a.BeginStop(); closed(a) })
	f("the broker stops, delayed", 5, 100, -1, func(a *peer) { closed(a); a.BeginStop() })
}

func TestWillMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		watch := r.connect("watch").subscribe("m/will", 0)
		var seen *mqtt.Message
		r.Hooks.MessagePublish.Add("test", 0, func(e *hook.MessagePublish) hook.Verdict {
			if !e.Message.Sys {
				seen = e.Message
			}
			return hook.Continue
		})
		a := r.connect("a", v5, mounted("m/"), will("m/will", 0), func(o *Opening) {
			o.Will.Msg.Props = &mqtt.Properties{Present: mqtt.PropMessageExpiry, MessageExpiry: 5}
			o.Will.Msg.Retain = true
		})
		time.Sleep(time.Minute)
		a.close("closed")
		watch.wants("m/will=will of a")
		if seen.Timestamp != Now() || seen.ExpiresAt != Now()+5000 {
			t.Errorf("published at %d, expires at %d; want %d and 5 s more", seen.Timestamp, seen.ExpiresAt, Now())
		}
		if r.Retained.Len() != 1 {
			t.Error("the will is not retained")
		}
	})
}
