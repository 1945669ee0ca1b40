package server

import "github.com/dunlin-mq/dunlin/mqtt"

// aliases are the topic aliases that a client has set, MQTT 5 clause 3.3.2.3.4.
type aliases struct {
	topics map[uint16]string
}

// resolve gives k its topic and remembers a new alias. The code says what is
// wrong with the alias; Success: nothing is.
func (c *conn) resolveAlias(k *mqtt.Publish) mqtt.ReasonCode {
	if !k.Props.Has(mqtt.PropTopicAlias) {
		if k.Topic == "" {
			return mqtt.ProtocolError // [MQTT-3.3.2-1]: neither topic nor alias
		}
		return mqtt.Success
	}
	alias := k.Props.TopicAlias
	if alias == 0 || alias > c.listener.zone.MaxTopicAlias {
		return mqtt.TopicAliasInvalid // [MQTT-3.3.2-8], [MQTT-3.3.2-9]
	}
	if k.Topic == "" {
		if c.aliases != nil {
			k.Topic = c.aliases.topics[alias]
		}
		if k.Topic == "" {
			return mqtt.ProtocolError
		}
		return mqtt.Success
	}
	if c.aliases == nil {
		c.aliases = &aliases{make(map[uint16]string)}
	}
	c.aliases.topics[alias] = k.Topic
	return mqtt.Success
}

// aliasTable gives the topics that go out to a client their aliases: the first
// ones get one, up to the client's Topic Alias Maximum, and keep it.
type aliasTable struct {
	max    uint16
	topics map[string]uint16
}

// maxAliases bounds the memory that a client can ask for with its maximum.
const maxAliases = 256

// use sets the options' alias for a topic.
func (t *aliasTable) use(topic string, o *mqtt.PublishOptions) {
	o.Alias, o.OmitTopic = 0, false
	if alias, ok := t.topics[topic]; ok {
		o.Alias, o.OmitTopic = alias, true
		return
	}
	if len(t.topics) >= int(t.max) {
		return
	}
	if t.topics == nil {
		t.topics = make(map[string]uint16)
	}
	o.Alias = uint16(len(t.topics) + 1)
	t.topics[topic] = o.Alias
}

// forget takes a new alias back, because the packet that sets it isn't sent.
func (t *aliasTable) forget(topic string, o *mqtt.PublishOptions) {
	if o.Alias != 0 && !o.OmitTopic {
		delete(t.topics, topic)
	}
}
