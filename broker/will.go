package broker

import (
	"strings"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// dueWill takes the client's will if its time has come: the connection is gone
// and the delay is over [MQTT-3.1.2-8]. The client is entered. A will is
// deleted by a normal DISCONNECT, by taking over and by discarding.
func (c *Client) dueWill(now int64) *session.Will {
	at := c.sess.WillAt()
	if at == 0 || at > now {
		return nil
	}
	w := c.sess.Will()
	c.sess.SetWill(nil)
	return w
}

// publishWill publishes w, if there is one and its client may publish it. No
// client is entered.
func (br *Broker) publishWill(b *Batch, c *Client, w *session.Will) {
	if w == nil {
		return
	}
	c.mu.Lock()
	info, zone := c.info, c.zone
	c.mu.Unlock()
	name := strings.TrimPrefix(w.Msg.Topic, info.Mountpoint)
	if !br.Authorize(zone, info, hook.Publish, name) {
		br.log.Info("a will is not published: the ACL denies it", "client", info.ClientID, "topic", name)
		return
	}
	m := w.Msg.Copy()
	m.Timestamp = b.Now()
	if m.Props.Has(mqtt.PropMessageExpiry) && m.Props.MessageExpiry > 0 {
		m.ExpiresAt = b.Now() + int64(m.Props.MessageExpiry)*1000
	}
	br.Publish(b, info, m)
}
