package server

import (
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// open gives a CONNECT that was let in its session. In a cluster its client id is
// asked for among the other nodes before, and the packet waits for them.
func (c *conn) open(p *pass, o *broker.Opening) {
	br := c.listener.server.broker
	if !br.Clustered() {
		c.claimed(p, o)
		return
	}
	fresh := c.access == nil
	s := c.suspend(1, func(p *pass) {
		c.claimed(p, o)
		if fresh {
			c.forgetRights()
		}
	})
	s.gone = o.Release
	if br.Claim(o, s.answered) {
		return
	}
	c.access.suspended = nil
	if fresh {
		c.forgetRights()
	}
	c.unhold(heldByAccess)
	c.claimed(p, o)
}

// forgetRights gives back the memory of what only the claim has needed.
func (c *conn) forgetRights() {
	if c.access.suspended == nil {
		c.mu.Lock()
		c.access = nil
		c.mu.Unlock()
	}
}

// claimed goes on when the client id is this node's.
func (c *conn) claimed(p *pass, o *broker.Opening) {
	if o.Outbid() {
		c.refuse(o.Ask.Client.Version, mqtt.ServerUnavailable, "takeovered", "a newer connection of the client has come to another node", nil)
		return
	}
	if err := o.Unavailable(); err != nil {
		o.Release()
		c.refuse(o.Ask.Client.Version, mqtt.ServerUnavailable, mqtt.ServerUnavailable.String(), "the session is kept by nodes that can't be reached now: "+err.Error(), nil)
		return
	}
	if c.listener.server.broker.Open(p.batch, o) == nil { // its session has just gone to another node
		c.open(p, o)
		return
	}
	c.awaitSession(o.Ask)
}
