package server

// startTCP listens for plain MQTT.
func (l *listener) startTCP() error {
	if l.cfg.ProxyProtocol {
		l.newFraming = func() framing { return newProxyFraming(nil) }
	}
	return l.server.loops.listen(l)
}
