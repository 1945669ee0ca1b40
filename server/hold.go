package server

import "github.com/dunlin-mq/dunlin/broker"

// Why a connection doesn't read at present: bits of conn.held. While there is
// one, what the client sends stays with TCP, and at last with the client.
const (
	heldByRate   uint32 = 1 << iota // it has used up a rate limit
	heldByOutput                    // it takes no answers
	heldByAccess                    // a packet waits for an answer, see suspend.go
	heldByRecord                    // its session isn't kept yet: it doesn't write either, see keep.go
	heldByLog                       // too much of what it published is on its way to the log, see receipts.go
)

// hold stops the input until every reason has been released.
func (c *conn) hold(why uint32) {
	if c.held.Or(why) == 0 {
		c.link.PauseRead()
		if c.held.Load() == 0 { // released at the same time, by another goroutine
			c.link.ResumeRead()
		}
	}
}

// release takes a reason back; with the last one the input goes on, on the
// connection's own goroutine.
func (c *conn) release(why uint32) {
	if c.unhold(why) {
		c.link.Wake()
	}
}

// unhold is release without the call of Woken; true: no reason is left.
func (c *conn) unhold(why uint32) bool {
	if c.held.Load()&why == 0 {
		return false
	}
	if c.accepted.Load() { // the client's silence was the server's doing
		c.lastRead.Store(broker.Now())
	}
	if old := c.held.And(^why); old&why == 0 || old&^why != 0 {
		return false
	}
	c.link.ResumeRead()
	if c.held.Load() != 0 {
		c.link.PauseRead()
	}
	return true
}

// fed ends the handling of input, for which so many bytes were read, 0 if it
// had been read before. It stops the input of a client that makes the broker
// answer and doesn't take the answers. Deliveries stop at the high-water mark, so only
// answers can bring the output to twice as much. The client that is stuck
// because it writes before it reads is freed by the listener's send_timeout.
func (c *conn) fed(p *pass, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.traffic.take(&p.in)
	if size > 0 {
		c.traffic.reads++
		c.traffic.bytesIn += uint64(size)
	}
	if c.out != nil && c.out.size >= 2*c.listener.highWater {
		c.hold(heldByOutput)
	}
}
