package server

import (
	"errors"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// handleAck handles the four packets that acknowledge a PUBLISH. An identifier
// that isn't known is counted and, where the standard has an answer, answered;
// it never ends the connection.
func (c *conn) handleAck(p *pass, k *mqtt.Ack) {
	n := c.listener.server.count
	switch k.Kind {
	case mqtt.TypePuback:
		n.acked(k.Kind, c.client.Puback(p.batch, c, k.PacketID, k.Code))
	case mqtt.TypePubrec:
		n.acked(k.Kind, c.client.Pubrec(p.batch, c, k.PacketID, k.Code))
	case mqtt.TypePubcomp:
		n.acked(k.Kind, c.client.Pubcomp(p.batch, c, k.PacketID, k.Code))
	case mqtt.TypePubrel: // [MQTT-4.3.3-11]
		code := mqtt.Success
		waited, later := c.client.Released(p.batch, c, k.PacketID)
		if later {
			return
		}
		if !waited {
			code = mqtt.PacketIdentifierNotFound
			n.pubrelMissed.Inc()
		}
		c.SendAck(p.batch, mqtt.TypePubcomp, k.PacketID, code)
	}
}

// acked counts what is wrong with an acknowledgement.
func (n *counters) acked(kind mqtt.Type, err error) {
	switch {
	case err == nil:
	case errors.Is(err, mqtt.PacketIdentifierInUse):
		n.inuse[kind].Inc()
	default:
		n.missed[kind].Inc()
	}
}
