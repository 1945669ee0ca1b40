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
	if over := c.passed(now); over != 0 {
		c.mu.Unlock()
		c.giveUp(over)
		return
	}
	switch held := c.held.Load() != 0; {
	case c.silence != 0 && held:
		c.wakeForSilence(now + c.silence)
	case c.silence != 0:
		c.wakeForSilence(c.lastRead.Load() + c.silence)
	}
	if took := c.stalled + c.listener.sendTimeout; c.stalled != 0 && took > now {
		c.wake(took)
	}
	c.wake(c.expires())
	resume := c.resume != 0 && c.resume <= now
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

// deadline is one of those that end a connection.
type deadline uint8

const (
	takesNothing deadline = iota + 1 // of what it is sent
	sendsNothing                     // and could
	hasExpired                       // its credentials are good no more
)

// passed is a deadline that is over, 0 if none is; mu is held.
func (c *conn) passed(now int64) deadline {
	expires := c.expires()
	switch {
	case c.stalled != 0 && c.stalled+c.listener.sendTimeout <= now && c.listener.cfg.SendTimeoutClose:
		return takesNothing
	case expires != 0 && expires <= now:
		return hasExpired
	case c.silence != 0 && c.held.Load() == 0 && c.lastRead.Load()+c.silence <= now: // in the order of unhold
		return sendsNothing
	}
	return 0
}

// expires is when the client's credentials end; 0: never. mu is held.
func (c *conn) expires() int64 {
	if !c.accepted.Load() { // info isn't fixed yet
		return 0
	}
	return c.info.Expires
}

// giveUp ends the connection because a deadline has passed.
func (c *conn) giveUp(over deadline) {
	switch {
	case over == takesNothing:
		c.fail(mqtt.Success, "etimedout", "the client took nothing for the listener's send_timeout")
	case over == hasExpired:
		c.fail(mqtt.NotAuthorized, "expired", "the client's credentials have expired")
	case !c.accepted.Load():
		c.fail(mqtt.Success, "idle_timeout", "no CONNECT came within the zone's idle_timeout")
	default:
		c.fail(mqtt.KeepAliveTimeout, "keepalive_timeout", "nothing came for one and a half times the keep alive")
	}
}
