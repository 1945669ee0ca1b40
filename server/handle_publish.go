package server

import (
	"bytes"
	"unicode/utf8"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// handlePublish checks a PUBLISH in EMQ X's order (quota, alias, topic name,
// ACL, QoS, retain), passes it to the broker and acknowledges it. QoS 2
// messages are routed when they arrive; until PUBREL their identifier keeps
// them from being routed again [MQTT-4.3.3-10..12].
func (c *conn) handlePublish(p *pass, k *mqtt.Publish) {
	if m := c.limits.Load(); m != nil && !c.withinQuota(p, m, k) {
		return
	}
	if code := c.resolveAlias(k); code.Failed() {
		c.fail(code, code.String(), "the topic alias names no topic")
		return
	}
	if k.Topic != c.topic && !c.checkTopic(k) {
		return
	}
	if z := c.listener.policy(); z.EnableACL && !c.info.Superuser && !c.remembers(p) {
		code, decided := c.listener.server.broker.MayPublish(z, c.info, c.aclCache(p), k.Topic)
		switch {
		case !decided:
			c.askPublish(k)
			return
		case code.Failed():
			c.deny(p, k, code)
			return
		}
		c.allowed = p.batch.Now()
	} else if a := c.listener.server.trace.Active(); a != nil {
		c.traceUnasked(a, auth.Publish, k.Topic)
	}
	c.publish(p, k)
}

// remembers reports whether the ACL has just allowed a PUBLISH to the topic of
// this one, and nothing has changed since.
func (c *conn) remembers(p *pass) bool {
	if c.allowed == 0 || p.batch.Now()-c.allowed >= p.access.Remember().Milliseconds() || c.allowed*1e6 <= p.access.Drained() {
		return false
	}
	p.remembered++
	return true
}

// publish goes on with a PUBLISH that the ACL allows.
func (c *conn) publish(p *pass, k *mqtt.Publish) {
	z := c.listener.zone
	switch {
	case byte(k.QoS) > z.MaxQoSAllowed: // [MQTT-3.2.2-11]
		c.fail(mqtt.QoSNotSupported, "qos_not_supported", "PUBLISH above max_qos_allowed")
		return
	case k.Retain && !z.RetainAvailable: // [MQTT-3.2.2-14]
		c.fail(mqtt.RetainNotSupported, "retain_not_supported", "PUBLISH with the retain flag, and retain_available is false")
		return
	case k.Props != nil && !c.checkProps(p, k):
		return
	case k.QoS == 2 && !c.receive(p, k):
		return
	}
	m := &p.msg
	m.SetPublish(k, p.batch.Now())
	m.From, m.Username = c.info.ClientID, c.info.Username
	m.SetPeer(c.info.Peer)
	if c.info.Mountpoint != "" {
		m.Topic = c.info.Mountpoint + k.Topic
	}
	code, n, pending := c.listener.server.broker.PublishFrom(p.batch, c.info, m, broker.Origin{Client: c.client, Conn: c, ID: k.PacketID})
	if !pending {
		c.acknowledge(p, k, code)
	}
	if m := c.limits.Load(); m != nil {
		m.message(c, p)
		m.routed(c, p, n)
	}
}

// askPublish has a backend asked about a PUBLISH, which waits in a copy: the
// packet and its payload are the decoder's. The identifier of a QoS 2 message
// is noted afterwards, which nobody can tell: nothing else is read meanwhile.
func (c *conn) askPublish(k *mqtt.Publish) {
	kept := *k
	kept.Payload = bytes.Clone(k.Payload)
	if k.Props != nil {
		props := *k.Props
		kept.Props = &props
	}
	var code mqtt.ReasonCode
	s := c.suspend(1, func(p *pass) {
		if code.Failed() {
			c.deny(p, &kept, code)
		} else {
			c.publish(p, &kept)
		}
	})
	c.listener.server.broker.MayPublishLater(c.listener.policy(), c.info, &c.access.cache, kept.Topic, func(answer mqtt.ReasonCode) {
		code = answer
		s.answered()
	})
}

// checkTopic checks a topic name, once for each run of equal ones.
func (c *conn) checkTopic(k *mqtt.Publish) bool {
	z := c.listener.zone
	if err := topic.ValidName(k.Topic); err != nil { // [MQTT-3.3.2-2]
		c.fail(mqtt.TopicNameInvalid, "topic_name_invalid", "PUBLISH: "+err.Error())
		return false
	}
	if z.MaxTopicLevels > 0 && topic.Levels(k.Topic) > z.MaxTopicLevels {
		c.fail(mqtt.TopicNameInvalid, "topic_name_invalid", "PUBLISH to a topic with more than max_topic_levels levels")
		return false
	}
	c.topic, c.allowed = k.Topic, 0
	return true
}

// checkProps checks the properties that say something about the message.
func (c *conn) checkProps(p *pass, k *mqtt.Publish) bool {
	switch {
	case k.Props.Has(mqtt.PropResponseTopic) && topic.ValidName(k.Props.ResponseTopic) != nil: // [MQTT-3.3.2-14]
		c.fail(mqtt.ProtocolError, "protocol_error", "PUBLISH: the response topic is no topic name")
		return false
	case c.stream.Strict && k.Props.Has(mqtt.PropPayloadFormat) && k.Props.PayloadFormat == 1 && !utf8.Valid(k.Payload):
		c.traceRefusedPublish(k, mqtt.PayloadFormatInvalid.String())
		c.acknowledge(p, k, mqtt.PayloadFormatInvalid)
		return false
	}
	return true
}

// receive notes a QoS 2 identifier; false: the message must not be routed.
func (c *conn) receive(p *pass, k *mqtt.Publish) bool {
	dup, err := c.client.Received(p.batch, c, k.PacketID)
	switch {
	case err != nil && !dup: // [MQTT-3.3.4-7]
		c.listener.server.count.publishDropped.Inc()
		c.refused(p, k, broker.TooManyReleases)
		c.fail(mqtt.ReceiveMaximumExceeded, "receive_maximum_exceeded", "more QoS 2 messages without PUBREL than max_awaiting_rel")
		return false
	case !dup:
		return true
	}
	code := mqtt.Success // the client sends again what it has seen no PUBREC for
	if err != nil && !k.Dup {
		code = mqtt.PacketIdentifierInUse
		c.listener.server.count.publishInuse.Inc()
	}
	c.traceRefusedPublish(k, "already_received")
	if !c.awaitAppend(p.batch, k.PacketID) {
		if !c.client.Awaits(k.PacketID) { // it was refused between the looks
			code = mqtt.QuotaExceeded
		}
		c.sendReceipt(p.batch, 2, k.PacketID, code)
	}
	return false
}

// refused books a PUBLISH that isn't routed. An alias that was never resolved
// leaves the topic empty.
func (c *conn) refused(p *pass, k *mqtt.Publish, why broker.Refusal) {
	p.in.refused++
	c.traceRefusedPublish(k, why.String())
	c.listener.server.broker.Refused(why, c.info.ClientID, c.info.Mountpoint+k.Topic)
}

// acknowledge answers a PUBLISH above QoS 0.
func (c *conn) acknowledge(p *pass, k *mqtt.Publish, code mqtt.ReasonCode) {
	if code.Failed() {
		c.listener.server.count.publishFailed(code)
	}
	switch k.QoS {
	case 1:
		c.sendReceipt(p.batch, 1, k.PacketID, code)
	case 2:
		if code.Failed() {
			c.client.Released(p.batch, c, k.PacketID) // a failed PUBREC ends the flow [MQTT-4.3.3-9]
		}
		c.sendReceipt(p.batch, 2, k.PacketID, code)
	}
}

// deny answers a PUBLISH that must not be routed: the ACL forbids it, or nobody
// could say whether it does.
func (c *conn) deny(p *pass, k *mqtt.Publish, code mqtt.ReasonCode) {
	if code != mqtt.NotAuthorized {
		c.unjudged(p, k, code)
		return
	}
	c.refused(p, k, broker.NotAuthorized)
	switch n := c.listener.server.count; {
	case c.listener.policy().ACLDenyAction == "disconnect":
		n.publishAuthError.Inc()
		c.fail(mqtt.NotAuthorized, "not_authorized", "PUBLISH to a topic that the ACL forbids")
	default: // a client before version 5 can't be told: it gets an ordinary acknowledgement
		c.acknowledge(p, k, mqtt.NotAuthorized)
	}
}

// unjudged answers a PUBLISH about which no backend had an answer in time. To a
// client before version 5 every acknowledgement is a success, so it gets none:
// it may send the message again on its next connection.
func (c *conn) unjudged(p *pass, k *mqtt.Publish, code mqtt.ReasonCode) {
	c.listener.server.count.publishDropped.Inc()
	c.refused(p, k, broker.NotJudged)
	if k.QoS > 0 && c.info.Version < mqtt.V5 {
		c.fail(mqtt.Success, mqtt.ServerUnavailable.String(), "a PUBLISH can't be judged now, and the client can't be told")
		return
	}
	c.acknowledge(p, k, code)
}
