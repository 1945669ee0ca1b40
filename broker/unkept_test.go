package broker

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// awaited is what a connection is told of its session's record; nil at once if
// there is nothing to wait for.
func (p *peer) awaited() error {
	told := make(chan error, 1)
	if !p.client.AwaitRecord(func(err error) { told <- err }) {
		return nil
	}
	return <-told
}

// With the disk full a session that is there goes on, a new one is refused.
func TestUnkept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newDurableRig(t, 1)
		c := r.connect("c", durably).subscribe("t", 2)
		r.connect("memory", expiry(100)).subscribe("t", 1)
		pub := r.connect("pub")
		pub.publish("t", "1", 1)
		r.quiet()
		c.close("closed")
		pub.publish("t", "2", 1)
		r.quiet()
		log.failing(errFake)
		events := r.listen()

		d := r.connect("d", durably, will("will", 0))
		if err := d.awaited(); err == nil {
			t.Error("a new session is said to be kept")
		} else if !r.Unkept(r.batch, d.client, d.fakeConn, err) || r.Client("d") != nil {
			t.Error("a new session that can't be kept goes on")
		}
		if d.ending() != (Ending{}) {
			t.Error("it is the connection that ends itself")
		}
		events.want(t, "session created d", "connected d", "disconnected d server_unavailable", "session terminated d server_unavailable")

		log.shards[0].mu.Lock()
		log.shards[0].reading = true
		log.shards[0].mu.Unlock()
		c = r.connect("c", durably)
		if err := c.awaited(); err == nil || r.Unkept(r.batch, c.client, c.fakeConn, err) || !c.present {
			t.Errorf("a session that is there doesn't go on: %v", err)
		}
		m := r.connect("memory", durably)
		if err := m.awaited(); err == nil || r.Unkept(r.batch, m.client, m.fakeConn, err) || !m.present {
			t.Errorf("a session in memory doesn't go on: %v", err)
		}
		synctest.Wait()
		c.wants("t=1 dup", "t=2")
		pub.publish("t", "live", 0)
		c.wants("t=live")

		log.failing(nil)
		time.Sleep(2 * saveAgain * time.Millisecond)
		r.quiet()
		if err := c.awaited(); err != nil {
			t.Errorf("its record isn't kept when that works again: %v", err)
		}
		r.balances()
		again, _ := r.crashed()
		if again.Client("c") == nil || again.Client("memory") == nil || again.Client("d") != nil {
			t.Errorf("%d sessions are back, want c and memory", again.Sessions())
		}
	})
}

// What can't be deleted is deleted later, unless its client has come back.
func TestUndeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newDurableRig(t, 1)
		for _, id := range []string{"gone", "back", "kept"} {
			r.connect(id, durably).subscribe("old/"+id, 1)
		}
		r.quiet()
		log.failing(errFake)
		r.Kick(r.batch, "gone")
		r.Kick(r.batch, "back")
		r.quiet()
		time.Sleep(5 * saveAgain * time.Millisecond)
		if again, _ := r.crashed(); again.Client("gone") == nil {
			t.Fatal("the fake map deletes what it can't")
		}
		r.connect("back", durably).subscribe("new", 1)
		log.failing(nil)
		time.Sleep(3 * saveAgain * time.Millisecond)
		r.quiet()
		rs := &r.durable.remains
		rs.mu.Lock()
		if len(rs.all) != 0 {
			t.Errorf("%d sessions are still to be deleted", len(rs.all))
		}
		rs.mu.Unlock()
		again, _ := r.crashed()
		if again.Client("gone") != nil || again.Client("kept") == nil {
			t.Errorf("%d sessions are back, want kept and back", again.Sessions())
		}
		for sub := range again.Client("back").Subscriptions() {
			if sub.Filter != "new" {
				t.Errorf("the new session has the old one's %s", sub.Filter)
			}
		}
	})
}

// A save that is due is not forgotten when the client's timer fires for
// something else before.
func TestSaveIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newDurableRig(t, 1)
		r.zone.Session.RetryInterval = saveAgain * time.Millisecond / 2
		c := r.connect("c", durably).subscribe("t", 2)
		r.connect("pub").publish("t", "1", 1)
		c.gets("t=1") // never acknowledged: the timer fires for it
		log.failing(errFake)
		c.subscribe("another", 1)
		if err := c.awaited(); err == nil {
			t.Error("a subscription is kept that can't be")
		}
		log.failing(nil)
		time.Sleep(3 * saveAgain * time.Millisecond)
		r.quiet()
		if err := c.awaited(); err != nil {
			t.Errorf("after some seconds the record is still not kept: %v", err)
		}
	})
}

// However many clients come while nothing can be kept, the log says it once a
// minute, and one of them tries each second.
func TestUnkeptIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := newDurableRig(t, 1)
		for i := range 100 {
			r.connect(counted(i, i)[0], durably).subscribe("t", 1)
		}
		r.quiet()
		log.failing(errFake)
		for i := range 100 {
			p := r.connect(counted(i, i)[0], durably)
			if err := p.awaited(); err == nil || r.Unkept(r.batch, p.client, p.fakeConn, err) {
				t.Error("it doesn't go on")
			}
		}
		m := r.durable.sessions.(*fakeMap)
		before := m.tries()
		time.Sleep(10 * saveAgain * time.Millisecond)
		synctest.Wait()
		if n := m.tries() - before; n > 60 {
			t.Errorf("in 10 seconds %d records were tried", n)
		}
		if n := strings.Count(r.log.String(), "\n"); n > 3 {
			t.Errorf("the log has %d lines:\n%s", n, r.log)
		}
	})
}
