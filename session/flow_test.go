package session

import (
	"errors"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// receiver is a durable session that gets messages from its client.
type receiver struct {
	*Session
	wire
	t *testing.T
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{Session: newDurable(&Config{AwaitRelTimeout: time.Minute}), t: t}
	r.Connected(0, &r.wire, epoch)
	r.save()
	return r
}

// save saves, and returns what Saved says.
func (r *receiver) save() []Flow {
	_, mark := r.Save(nil)
	return r.Saved(mark, &r.wire, epoch)
}

func (r *receiver) await(id uint16) uint64 {
	r.t.Helper()
	if dup, err := r.Received(id, epoch+1); dup || err != nil {
		r.t.Fatalf("message %d is no new one: %v %v", id, dup, err)
	}
	return r.Await(id, mqtt.At{Seq: 5})
}

func (r *receiver) is(what string, ok bool) {
	r.t.Helper()
	if !ok {
		r.t.Errorf("%s: no", what)
	}
}

func (r *receiver) sent(want ...string) {
	r.t.Helper()
	if len(r.log) != len(want) {
		r.t.Fatalf("sent %v, want %v", r.log, want)
	}
	for i := range want {
		if r.log[i] != want[i] {
			r.t.Errorf("sent %v, want %v", r.log, want)
		}
	}
	r.log = nil
}

func TestFlowGoesItsWay(t *testing.T) {
	r := newReceiver(t)
	num := r.await(3)
	r.is("waits for a save", r.Unsaved() && r.Unresolved(3) && num > 0)
	r.is("isn't appended before", !r.Appended(3, num))
	flows := r.save()
	r.is("may be appended", len(flows) == 1 && flows[0] == Flow{ID: 3, Num: num, From: mqtt.At{Seq: 5}})
	r.is("is told once", len(r.save()) == 0)
	r.is("is in doubt", len(r.Doubtful()) == 1)
	dup, err := r.Received(3, epoch)
	r.is("is repeated without an answer", dup && errors.Is(err, mqtt.PacketIdentifierInUse) && r.Unresolved(3))
	waited, later := r.Released(3)
	r.is("can't be released without PUBREC", !waited && !later)
	r.is("isn't taken for another", !r.Appended(3, num+1) && !r.Appended(4, num))
	r.is("is appended", r.Appended(3, num) && !r.Unresolved(3) && r.Changed() && !r.Unsaved())
	waited, later = r.Released(3)
	r.is("is released, for later", waited && later && r.Unsaved() && r.AwaitingRel() == 0)
	dup, err = r.Received(3, epoch)
	r.is("can't be used again yet", dup && errors.Is(err, mqtt.PacketIdentifierInUse))
	r.sent()
	r.save()
	r.sent("comp#3")
	waited, later = r.Released(3)
	r.is("is unknown then", !waited && !later)
	r.is("has a new number the next time", r.await(3) > num)
}

func TestRefusedFlow(t *testing.T) {
	r := newReceiver(t)
	num := r.await(3)
	r.save()
	r.Refuse(3, num+1, mqtt.QuotaExceeded)
	r.is("another one is refused", !r.Unsaved())
	r.Refuse(3, num, mqtt.QuotaExceeded)
	r.is("waits for a save", r.Unsaved() && r.Unresolved(3) && r.AwaitingRel() == 0)
	waited, later := r.Released(3)
	r.is("isn't released", !waited && !later)
	flows := r.save()
	r.is("is answered", len(flows) == 1 && flows[0].ID == 3 && flows[0].Refused == mqtt.QuotaExceeded)
	r.is("is gone", !r.Unresolved(3))

	num = r.await(3) // and now the connection ends before the answer
	r.save()
	r.Refuse(3, num, mqtt.QuotaExceeded)
	r.Disconnected(epoch)
	r.Connected(0, &r.wire, epoch)
	r.is("has no answer for nobody", len(r.save()) == 0)

	num = r.await(3) // and the client repeats it in time
	r.save()
	r.Refuse(3, num, mqtt.QuotaExceeded)
	r.Disconnected(epoch)
	r.Connected(0, &r.wire, epoch)
	dup, err := r.Received(3, epoch)
	r.is("is repeated", dup && err == nil && r.Unresolved(3))
	r.is("has an answer then", len(r.save()) == 1)
}

func TestReleaseOnAnotherConnection(t *testing.T) {
	r := newReceiver(t)
	num := r.await(3)
	r.save()
	r.Appended(3, num)
	r.Released(3)
	_, mark := r.Save(nil)
	r.Disconnected(epoch)
	r.Connected(0, &r.wire, epoch)
	r.Saved(mark, &r.wire, epoch)
	r.sent() // the client, which asks again, could take it for the end of its next message
	waited, later := r.Released(3)
	r.is("is unknown", !waited && !later)

	num = r.await(4)
	r.save()
	r.Appended(4, num)
	r.Released(4)
	_, mark = r.Save(nil)
	r.Disconnected(epoch)
	r.Connected(0, &r.wire, epoch)
	waited, later = r.Released(4)
	r.is("waits still", waited && later)
	r.Saved(mark, &r.wire, epoch)
	r.sent("comp#4")
}

func TestMissingFlow(t *testing.T) {
	r := newReceiver(t)
	num := r.await(3)
	r.save()
	r.Missing(3, num+1)
	r.is("another one is missing", r.AwaitingRel() == 1)
	r.Missing(3, num)
	r.is("is forgotten", r.AwaitingRel() == 0 && !r.Unresolved(3) && !r.Appended(3, num))
	r.is("is a new one", r.await(3) > num)
}

func TestForgottenFlow(t *testing.T) {
	r := newReceiver(t)
	held, kept := r.await(3), r.await(4)
	r.save()
	r.Appended(4, kept)
	r.Tick(&r.wire, epoch+60_001)
	r.is("only what is in the log is forgotten", r.AwaitingRel() == 1 && r.AwaitRelTimeouts() == 1 && r.Unresolved(3))
	r.is("the record is told", r.Unsaved())
	r.save()
	r.sent() // nobody waits for PUBCOMP
	r.is("the other one goes on", r.Appended(3, held))
}

func TestFlowsOfMemorySessions(t *testing.T) {
	s := New(&Config{}, epoch)
	s.Received(3, epoch)
	if s.Await(3, mqtt.At{}) != 0 || s.Unresolved(3) || s.Unsaved() || s.Doubtful() != nil {
		t.Error("a session in memory waits for a save")
	}
	if waited, later := s.Released(3); !waited || later {
		t.Error("a session in memory answers later")
	}
}

func TestNoMoreDurable(t *testing.T) {
	r := newReceiver(t)
	r.await(3)
	kept := r.await(4)
	r.save()
	r.Appended(4, kept)
	r.Deliver(Delivery{Msg: logged(1), QoS: 2}, &r.wire, epoch)
	r.save()
	r.Deliver(Delivery{Msg: logged(2), QoS: 2}, &r.wire, epoch)
	r.Pubrec(1, 0, &r.wire, epoch)
	r.Disconnected(epoch)
	r.sent("1#1")
	r.SetDurable(false)
	r.Connected(0, &r.wire, epoch)
	r.sent("rel#1", "2#2")
	r.is("nothing waits for a save", !r.Unsaved() && r.Held() == 0)
	dup, _ := r.Received(4, epoch)
	r.is("what is in the log is known", dup)
	dup, _ = r.Received(3, epoch)
	r.is("what may not be is new", !dup)
	r.Deliver(Delivery{Msg: logged(3), QoS: 2}, &r.wire, epoch)
	r.sent("3#3")
}
