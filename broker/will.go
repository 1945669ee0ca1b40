package broker

import (
	"strings"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// dueWill takes the client's will if its time has come: the connection is gone
// and the delay is over [MQTT-3.1.2-8]. The client is entered. A will is
// deleted by a normal DISCONNECT, by taking over and by discarding; it is kept
// when the broker itself stops, which is no failure of the client.
func (c *Client) dueWill(now int64) *session.Will {
	at := c.sess.WillAt()
	if at == 0 || at > now || c.broker.stopping.Load() {
		return nil
	}
	w := c.sess.Will()
	c.sess.SetWill(nil)
	return w
}

// publishWill publishes d's will, if there is one and its client may publish
// it. No client is entered.
func (br *Broker) publishWill(b *Batch, d *departure) {
	if d.will == nil {
		return
	}
	m := d.will.Msg.Copy()
	name := strings.TrimPrefix(m.Topic, d.info.Mountpoint)
	if !br.Authorize(d.zone, d.info, hook.Publish, name) {
		br.logs.willDenied.warn(br.log, b.Now(), "a will is not published: the ACL denies it", "client", d.info.ClientID, "topic", name)
		return
	}
	m.Timestamp = b.Now()
	if m.Props.Has(mqtt.PropMessageExpiry) && m.Props.MessageExpiry > 0 { // runs from the publication on
		m.ExpiresAt = b.Now() + int64(m.Props.MessageExpiry)*1000
	}
	br.Publish(b, d.info, m)
}
