package server

import (
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// handleUnsubscribe gives the filters up and answers with one code for each
// [MQTT-3.10.4-5].
func (c *conn) handleUnsubscribe(p *pass, k *mqtt.Unsubscribe) {
	s := c.listener.server
	e := hook.ClientUnsubscribe{Client: c.info, Props: k.Props, Filters: k.Filters}
	for i, filter := range e.Filters {
		if !c.checkSyntax(filter) {
			return
		}
		e.Filters[i] = s.broker.RewriteFilter(c.info, filter)
	}
	s.broker.OnUnsubscribe(&e)
	ack := &mqtt.Unsuback{PacketID: k.PacketID}
	failed := false
	for _, filter := range e.Filters {
		code := mqtt.TopicFilterInvalid
		if f, err := topic.Parse(filter); err == nil {
			filter, _ = c.mount(filter, f)
			code = s.broker.Unsubscribe(p.batch, c.client, c, filter)
		}
		c.traceSubscription("unsubscription", filter, code)
		failed = failed || code.Failed()
		ack.Codes = append(ack.Codes, code)
	}
	if failed {
		s.count.unsubscribeError.Inc()
	}
	c.whenKept(p, func(p *pass, err error) {
		for i := range ack.Codes {
			if err != nil && !ack.Codes[i].Failed() {
				ack.Codes[i] = mqtt.UnspecifiedError // it is gone, but may come back with the next start
			}
		}
		c.send(p, ack)
	})
}
