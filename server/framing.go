package server

// framing stands between a connection's link and its MQTT bytes: WebSocket, or
// for a while the PROXY protocol's header.
type framing interface {
	// feed takes what the link brought and passes the MQTT bytes on to
	// conn.feed. It runs on the connection's goroutine. A framing that has done
	// its part replaces itself in conn.framing.
	feed(c *conn, p *pass, data []byte)
	// seal frames what stands in o behind its sealed parts. conn.mu is held.
	seal(o *output)
	// goodbye appends what ends the framing's own protocol.
	goodbye(dst []byte) []byte
}
