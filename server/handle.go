package server

import (
	"github.com/dunlin-mq/dunlin/mqtt"
)

// handle passes one packet to its handler; see handle_*.go, one file each.
func (c *conn) handle(p *pass, packet mqtt.Packet) {
	c.listener.server.count.received(packet)
	p.in.received(packet)
	if a := c.listener.server.trace.Active(); a != nil {
		c.traceReceived(a, packet)
	}
	if c.client == nil {
		switch k := packet.(type) {
		case *mqtt.Connect:
			c.handleConnect(p, k)
		case *mqtt.Auth:
			c.handleAuth(p, k)
		default: // [MQTT-3.1.0-1]
			c.fail(mqtt.ProtocolError, "proto_not_connected", "expected CONNECT as the first packet, got "+packet.Type().String())
		}
		return
	}
	switch k := packet.(type) {
	case *mqtt.Publish:
		c.handlePublish(p, k)
	case *mqtt.Ack:
		c.handleAck(p, k)
	case *mqtt.Pingreq:
		c.send(p, pong)
	case *mqtt.Subscribe:
		c.handleSubscribe(p, k)
	case *mqtt.Unsubscribe:
		c.handleUnsubscribe(p, k)
	case *mqtt.Disconnect:
		c.handleDisconnect(k)
	case *mqtt.Auth:
		c.handleAuth(p, k)
	case *mqtt.Connect: // [MQTT-3.1.0-2]
		c.fail(mqtt.ProtocolError, "proto_unexpected_c", "a second CONNECT on one connection")
	default:
		c.fail(mqtt.ProtocolError, "protocol_error", packet.Type().String()+" comes from servers only")
	}
}

var pong mqtt.Packet = &mqtt.Pingresp{}
