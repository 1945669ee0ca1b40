package server

import (
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// wake schedules the connection's timer, unless it fires earlier anyway; mu is
// held.
func (c *conn) wake(at int64) {
	if at == 0 || (c.timer != 0 && c.timer <= at) {
		return
	}
	c.listener.server.broker.Reschedule(c, c.timer, at)
	c.timer = at
}

// wakeForSilence schedules the look at the keep alive. Long ones are looked at
// on the full second, so that thousands of quiet connections share a wake-up.
func (c *conn) wakeForSilence(at int64) {
	if c.silence >= 10_000 {
		at = (at + 999) / 1000 * 1000
	}
	c.wake(at)
}

// Fire is broker.Timer's: the connection looks at its deadlines, ends itself
// if one has passed and asks to be fired again for the next.
func (c *conn) Fire(_ *broker.Batch, at int64) {
	c.mu.Lock()
	if c.timer != at || c.end.Word != "" {
		c.mu.Unlock()
		return
	}
	c.timer = 0
	now := broker.Now()
	silentUntil := c.lastRead.Load() + c.silence
	tookUntil := c.stalled + c.listener.sendTimeout
	stuck := c.stalled != 0 && tookUntil <= now && c.listener.cfg.SendTimeoutClose
	held := c.held.Load() != 0
	silent := c.silence != 0 && silentUntil <= now && !held
	resume := c.resume != 0 && c.resume <= now
	switch {
	case stuck, silent:
		c.mu.Unlock()
		c.giveUp(stuck)
		return
	case c.silence != 0 && held:
		c.wakeForSilence(now + c.silence)
	case c.silence != 0:
		c.wakeForSilence(silentUntil)
	}
	if c.stalled != 0 && tookUntil > now {
		c.wake(tookUntil)
	}
	if resume {
		c.resume = 0
	} else {
		c.wake(c.resume)
	}
	c.mu.Unlock()
	if resume {
		c.release(heldByRate)
	}
}

// giveUp ends the connection because a deadline has passed.
func (c *conn) giveUp(stuck bool) {
	switch {
	case stuck:
		c.fail(mqtt.Success, "etimedout", "the client took nothing for the listener's send_timeout")
	case !c.accepted.Load():
		c.fail(mqtt.Success, "idle_timeout", "no CONNECT came within the zone's idle_timeout")
	default:
		c.fail(mqtt.KeepAliveTimeout, "keepalive_timeout", "nothing came for one and a half times the keep alive")
	}
}
