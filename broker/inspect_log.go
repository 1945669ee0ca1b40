package broker

import (
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
)

// mostLooked is how many entries of the log are read for one page.
const mostLooked = 10_000

// logLook is a look at what waits in the log for one client, as it was at one
// moment.
type logLook struct {
	client  *Client
	from    []uint64 // where each shard begins; nil: nothing waits
	filters []string
	skip    int
	limit   int
}

// lookInLog begins a look. The client is locked.
func (c *Client) lookInLog(skip, limit int) logLook {
	l := logLook{client: c, skip: skip, limit: limit}
	r := c.reader()
	if r == nil || r.missed == 0 || limit <= 0 {
		return l
	}
	filters, none := c.filters()
	if none {
		return l
	}
	l.filters = filters
	for _, p := range r.places {
		l.from = append(l.from, p.next)
	}
	return l
}

// page reads the log. It may block; the client is not locked. An error of the
// log ends the page early: there is nobody here who could do something about it,
// and who delivers says so.
func (l *logLook) page() (some []session.Waiting) {
	looked := 0
	for shard, at := range l.from {
		for last := l.last(shard); at <= last && looked < mostLooked && len(some) < l.limit; {
			chunk, next, err := l.client.broker.durable.feeder.read(shard, at, l.filters)
			if err != nil {
				return some
			}
			looked += len(chunk)
			at = next
			some = l.pick(some, chunk)
		}
	}
	return some
}

func (l *logLook) last(shard int) uint64 {
	_, last := l.client.broker.durable.log.Bounds(shard)
	return last
}

// pick appends those deliveries that are on the page.
func (l *logLook) pick(some []session.Waiting, chunk []*mqtt.Message) []session.Waiting {
	c := l.client
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range chunk {
		for _, sub := range c.matching(m.Topic) {
			switch {
			case !c.reads(m, sub) || !c.more.reader.covers(sub, m.At()) || sub.NoLocal && m.From == c.info.ClientID:
			case l.skip > 0:
				l.skip--
			case len(some) < l.limit:
				some = append(some, session.Waiting{Delivery: session.Delivery{Msg: m, Sub: sub, QoS: c.sess.Grant(m, sub), Retain: m.Retain && sub.RetainAsPublished}})
			}
		}
	}
	return some
}
