package server

import (
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// handleDisconnect ends the connection at the client's wish. A normal one
// takes the will back [MQTT-3.14.4-3]; any other code leaves it standing.
func (c *conn) handleDisconnect(k *mqtt.Disconnect) {
	word := "normal"
	if k.Code != mqtt.Success {
		word = k.Code.String()
	}
	var expiry *uint32
	if k.Props.Has(mqtt.PropSessionExpiry) {
		if c.client.ExpiryInterval() == 0 && k.Props.SessionExpiry != 0 { // [MQTT-3.14.2-2]
			c.fail(mqtt.ProtocolError, "protocol_error", "DISCONNECT with a session expiry, and CONNECT had none")
			return
		}
		expiry = &k.Props.SessionExpiry
	}
	c.mu.Lock()
	c.expiry = expiry
	c.dropWill = k.Code == mqtt.Success
	c.mu.Unlock()
	c.endWith(broker.Ending{Word: word}, nil)
}
