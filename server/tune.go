package server

import (
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
)

// ownRates are limits of one connection that an operator has set; a zero Rate
// is none.
type ownRates struct{ bytesIn, messagesIn, routing config.Rate }

// with is o changed by what t names.
func (o ownRates) with(t broker.Tuning) ownRates {
	for _, rate := range []struct{ of, to *config.Rate }{{&o.bytesIn, t.BytesIn}, {&o.messagesIn, t.MessagesIn}, {&o.routing, t.Routing}} {
		if rate.to != nil {
			*rate.of = *rate.to
		}
	}
	return o
}

// Tune is broker.Tunable's. New limits begin with full buckets, and input that
// the old ones hold goes on.
func (c *conn) Tune(t broker.Tuning) {
	c.mu.Lock()
	if t.KeepAlive != nil {
		c.keepAlive(*t.KeepAlive)
	}
	rates := t.BytesIn != nil || t.MessagesIn != nil || t.Routing != nil
	if rates {
		var own ownRates
		if old := c.limits.Load(); old != nil {
			own = old.own
		}
		c.limits.Store(newLimits(c.listener, own.with(t)))
		c.resume = 0
	}
	c.mu.Unlock()
	if rates {
		c.release(heldByRate)
	}
}

// keepAlive sets after which silence the connection ends, and begins to count
// it; mu is held.
func (c *conn) keepAlive(seconds uint16) {
	now := broker.Now()
	c.lastRead.Store(now)
	c.silence = int64(float64(seconds) * c.listener.zone.KeepaliveBackoff * 2 * 1000)
	if c.silence > 0 {
		c.wakeForSilence(now + c.silence)
	}
}
