package server

// startTCP listens for plain MQTT.
func (l *listener) startTCP() error {
	l.startFraming()
	return l.server.loops.listen(l)
}

// startWS listens for MQTT over WebSocket.
func (l *listener) startWS() error { return l.startTCP() }

// startFraming says what stands between the link and MQTT. Over TLS, the PROXY
// protocol's header came before.
func (l *listener) startFraming() {
	websocket := l.cfg.WS != nil
	proxy := l.cfg.ProxyProtocol && l.cfg.TLS == nil
	if !websocket && !proxy {
		return
	}
	if websocket {
		l.watchFrames()
	}
	l.newFraming = func(c *conn) framing {
		var f framing
		if websocket {
			f = newWSFraming(l.cfg.WS)
		}
		if proxy {
			f = newProxyFraming(c, f)
		}
		return f
	}
}
