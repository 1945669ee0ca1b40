package broker

import "github.com/dunlin-mq/dunlin/session"

// Traffic is what has gone over one connection since it was accepted from the
// network.
type Traffic struct {
	Reads, BytesIn, PacketsIn    uint64    // bytes and reads are the transport's, TLS taken off
	Writes, BytesOut, PacketsOut uint64    //
	MessagesIn, MessagesOut      [3]uint64 // PUBLISH packets by QoS, repeated ones and $SYS included
	Refused                      uint64    // of MessagesIn: for a quota or a limit, or because the client may not publish that
}

// Meter is what a Conn may be beside: one that counts its traffic.
type Meter interface {
	// Traffic is what has gone over the connection so far. It must not block or
	// call the broker.
	Traffic() Traffic
}

// Figures are what was counted about one client.
type Figures struct {
	session.Tally         // of the session, over all its connections
	Traffic       Traffic // of the present connection; zero without one
}

// Figures counts nothing together: it costs no more than Status.
func (c *Client) Figures() Figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := Figures{Tally: c.sess.Tally()}
	if m, ok := c.conn.(Meter); ok {
		f.Traffic = m.Traffic()
	}
	return f
}
