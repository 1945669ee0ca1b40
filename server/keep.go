package server

import (
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// What a connection says about a durable session, it says when that is kept:
// otherwise a client would rely on a session or a subscription that a crash of
// the broker takes away.

// awaitSession lets the output of a connection begin, with its CONNACK, when its
// session is kept. Deliveries may lie behind the CONNACK by then. If a new session
// can't be kept, the CONNECT is refused; one that was there before goes on.
func (c *conn) awaitSession(ask *hook.ConnInfo) {
	kept := func(err error) {
		if err != nil && c.refuseSession(ask, err) {
			return
		}
		c.release(heldByRecord)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.stalled == 0 {
			c.flush()
		}
	}
	if c.held.Load()&heldByRecord != 0 && !c.client.AwaitRecord(kept) {
		c.unhold(heldByRecord)
	}
}

// refuseSession ends a connection whose CONNACK has not gone out, if its session
// is new and can't be kept.
func (c *conn) refuseSession(ask *hook.ConnInfo, err error) bool {
	br := c.listener.server.broker
	b := br.NewBatch()
	defer b.End()
	if !br.Unkept(b, c.client, c, err) {
		return false
	}
	c.mu.Lock()
	if c.out != nil {
		c.out.free()
		c.out = nil
	}
	c.mu.Unlock()
	c.held.And(^heldByRecord)
	c.refuse(ask.Client.Version, mqtt.QuotaExceeded, mqtt.QuotaExceeded.String(), "the session can't be kept now", nil)
	return true
}

// whenKept goes on with a packet when what it has changed of the session is
// kept, or with the error if it can't be: at once if there is nothing to keep.
func (c *conn) whenKept(p *pass, goOn func(p *pass, err error)) {
	if !c.client.Durable() {
		goOn(p, nil)
		return
	}
	var failed error
	s := c.suspend(1, func(p *pass) { goOn(p, failed) })
	if c.client.AwaitRecord(func(err error) {
		failed = err
		s.answered()
	}) {
		return
	}
	c.access.suspended = nil
	c.unhold(heldByAccess)
	goOn(p, nil)
}
