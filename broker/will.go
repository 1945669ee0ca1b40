package broker

import (
	"log/slog"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
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
// it, which a backend may have to be asked first. No client is entered.
func (br *Broker) publishWill(b *Batch, d *departure) {
	if d.will == nil {
		return
	}
	name := strings.TrimPrefix(d.will.Msg.Topic, d.info.Mountpoint)
	cache := new(auth.Cache) // its connection is gone, and with it what backends have said
	code, decided := br.MayPublish(d.zone, d.info, cache, name)
	if decided {
		br.publishJudged(b, d, name, code)
		return
	}
	br.MayPublishLater(d.zone, d.info, cache, name, func(code mqtt.ReasonCode) {
		if br.stopping.Load() {
			return
		}
		b := br.NewBatch()
		br.publishJudged(b, d, name, code)
		b.End()
	})
}

// publishJudged publishes a will about which code is the ACL's answer.
func (br *Broker) publishJudged(b *Batch, d *departure, name string, code mqtt.ReasonCode) {
	if code.Failed() {
		br.logs.willDenied.warn(br.log, b.Now(), "a will is not published: the ACL denies it, or can't be asked",
			"client", d.info.ClientID, "topic", name, "reason", code)
		br.traceRefused(d.will.Msg, NotAuthorized.String(), code)
		return
	}
	m := d.will.Msg.Copy()
	m.Timestamp = b.Now()
	if m.Props.Has(mqtt.PropMessageExpiry) && m.Props.MessageExpiry > 0 { // runs from the publication on
		m.ExpiresAt = b.Now() + int64(m.Props.MessageExpiry)*1000
	}
	br.traceMessage(m, slog.LevelInfo, "will")
	br.Publish(b, d.info, m)
}

// HoldWill gives the client of conn time to connect again before its will is
// published, since it is conn's end that the broker wants: on a node that is
// about to stop, which by MQTT 5 clause 3.1.2.5 may publish wills late. There
// is none of a client whose session ends with conn.
func (c *Client) HoldWill(b *Batch, conn Conn) {
	c.enter(b)
	defer c.leave(b)
	w := c.sess.Will()
	switch {
	case !c.owns(conn) || w == nil:
	case c.sess.ExpiryInterval() == 0:
		c.sess.SetWill(nil)
	default:
		c.sess.SetWill(&session.Will{Msg: w.Msg, Delay: max(w.Delay, willGrace)})
	}
}
