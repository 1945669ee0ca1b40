package server

import (
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// asked is a filter below $exclusive/ that other nodes have a say in: which of the
// SUBSCRIBE, and its topic.
type asked struct {
	index int
	topic string
}

// exclusives are those among the filters that passed so far.
func (c *conn) exclusives(filters []mqtt.SubscribeFilter, codes []mqtt.ReasonCode) (all []asked) {
	if !c.listener.server.broker.Clustered() {
		return nil
	}
	for i := range filters {
		if codes[i].Failed() {
			continue
		}
		f, err := topic.Parse(filters[i].Filter)
		if err == nil && f.Kind == topic.Exclusive && !c.withinLimits(f).Failed() {
			_, f = c.mount(filters[i].Filter, f)
			all = append(all, asked{i, f.Bare})
		}
	}
	return all
}

// askExclusive asks the other nodes for topics and goes on when they have
// answered; the topics that one of their clients has get a code that says so.
func (c *conn) askExclusive(all []asked, codes []mqtt.ReasonCode, goOn func(p *pass)) {
	var over []func()
	release := func() {
		for _, f := range over {
			f()
		}
	}
	s := c.suspend(len(all)+1, func(p *pass) {
		goOn(p)
		release()
	})
	s.gone = release
	for _, a := range all {
		f := c.listener.server.broker.AskExclusive(a.topic, c.info.ClientID, func(ok bool) {
			if !ok {
				codes[a.index] = mqtt.QuotaExceeded
			}
			s.answered()
		})
		if f == nil {
			s.answered()
		} else {
			over = append(over, f)
		}
	}
	s.answered()
}
