package broker

import "github.com/dunlin-mq/dunlin/config"

// Tuning is what an operator changes of a connection while it lives; what is
// nil stays as it is.
type Tuning struct {
	KeepAlive *uint16 // seconds; 0: the client may be silent for ever

	// Rates for this connection alone, in the place of what the listener and
	// the zone have; the zero Rate: theirs again.
	BytesIn    *config.Rate // rate_limit, rate_limit.conn_bytes_in
	MessagesIn *config.Rate // publish_limit, rate_limit.conn_messages_in
	Routing    *config.Rate // quota.conn_messages_routing
}

// Tunable is a Conn whose limits can be changed. Tune returns at once and never
// calls back into the broker.
type Tunable interface {
	Tune(Tuning)
}

// Tune changes the limits of a client's connection, and not those of its next;
// false: it has none that has limits.
func (br *Broker) Tune(id string, t Tuning) bool {
	c := br.clients.get(id)
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	conn, ok := c.conn.(Tunable)
	if !ok {
		return false
	}
	if t.KeepAlive != nil {
		c.keepAlive = *t.KeepAlive
	}
	conn.Tune(t)
	return true
}
