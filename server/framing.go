package server

// framing stands between a connection's link and its MQTT bytes: WebSocket, or
// for a while the PROXY protocol's header.
type framing interface {
	// feed takes what the link brought and passes the MQTT bytes on to
	// conn.feed; it may change data. It runs on the connection's goroutine. A
	// framing that has done its part replaces itself in conn.framing, with
	// conn.mu held.
	feed(c *conn, p *pass, data []byte)
	// seal frames what stands in o behind its sealed parts. conn.mu is held.
	seal(o *output)
	// goodbye appends what ends the framing's own protocol.
	goodbye(dst []byte) []byte
}

// appendSealed adds bytes to the output that are not framed any more; mu is
// held.
func (c *conn) appendSealed(b []byte) {
	if len(b) == 0 {
		return
	}
	if c.out == nil {
		c.out = outputs.Get().(*output)
	}
	c.framing.seal(c.out)
	c.out.tail = append(c.out.tail, b...)
	c.out.size += len(b)
	c.out.freeze()
}

// answer sends bytes of the framing's own protocol.
func (c *conn) answer(p *pass, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end.Word == "" {
		c.writer(p.batch)
		c.appendSealed(b)
	}
}
