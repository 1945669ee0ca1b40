package broker

import (
	"iter"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/session"
)

// ByID are all clients with their ids, connected or not, as they were at the
// call and in no order. Nothing is locked while they are gone through.
func (br *Broker) ByID() iter.Seq2[string, *Client] {
	type entry struct {
		id string
		*Client
	}
	r := &br.clients
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]entry, 0, len(r.clients))
	for id, c := range r.clients {
		all = append(all, entry{id, c})
	}
	return func(yield func(string, *Client) bool) {
		for _, e := range all {
			if !yield(e.id, e.Client) {
				return
			}
		}
	}
}

// Ephemeral are the ids of clients that are away and whose session lives in memory
// only, in no order, as they were at the call.
func (br *Broker) Ephemeral() iter.Seq[string] {
	all := br.ByID()
	return func(yield func(string) bool) {
		for id, c := range all {
			if !c.status.has(isOnline|isDurable) && !yield(id) {
				return
			}
		}
	}
}

// Sessions is how many clients there are, connected or not.
func (br *Broker) Sessions() int { return br.clients.len() }

// Connected is how many clients have a connection.
func (br *Broker) Connected() int { return int(br.count.connections.Value()) }

// Filters are the distinct topic filters that somebody on this node has,
// without $share and such, in no order; see topic.Index.All.
func (br *Broker) Filters() iter.Seq[string] {
	return func(yield func(string) bool) {
		for filter := range br.index.All() {
			if !yield(filter) {
				return
			}
		}
	}
}

// FilterCount is how many Filters there are.
func (br *Broker) FilterCount() int { return br.index.Filters() }

// HasFilter reports whether somebody on this node has this very filter, given
// without $share and such.
func (br *Broker) HasFilter(filter string) bool { return br.index.Has(filter) }

// SubscriptionCount is how many Subscriptions the client has.
func (c *Client) SubscriptionCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sess.SubscriptionCount()
}

// AppendSubscriptions appends the client's Subscriptions to dst, for who goes
// through many clients.
func (c *Client) AppendSubscriptions(dst []*session.Subscription) []*session.Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	for sub := range c.sess.Subscriptions() {
		dst = append(dst, sub)
	}
	return dst
}

// DisconnectedAt is when the connection of an absent client ended, Unix
// milliseconds. It is 0 for one that is connected, and for one whose session
// never expires: there the time isn't kept.
func (c *Client) DisconnectedAt() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.sess.ExpiresAt()
	if at == 0 || c.sess.ExpiryInterval() == session.Never {
		return 0
	}
	return at - int64(c.sess.ExpiryInterval())*1000
}

// Disconnect ends a client's connection at the wish of an operator, and not
// its session; false: it has none.
func (br *Broker) Disconnect(id string) bool {
	c := br.clients.get(id)
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return false
	}
	c.conn.End(endKicked)
	return true
}

// DisconnectBanned is Disconnect for the clients of these ids, and for those of
// whom banned says so, if it is not nil; but for clients of zones that have no
// bans.
func (br *Broker) DisconnectBanned(ids []string, banned func(*hook.ClientInfo) bool) {
	end := func(c *Client, is func(*hook.ClientInfo) bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.conn != nil && c.zone.EnableBan && (is == nil || is(c.info)) {
			c.conn.End(endKicked)
		}
	}
	for _, id := range ids {
		if c := br.clients.get(id); c != nil {
			end(c, nil)
		}
	}
	if banned == nil {
		return
	}
	for _, c := range br.ByID() {
		end(c, banned)
	}
}

// InflightPage is a part of what was sent to the client and isn't
// acknowledged, and how much that is in all; see session.Session.InflightPage.
func (c *Client) InflightPage(from, limit int) (some []session.InFlight, total int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sess.InflightPage(from, limit), c.sess.Inflight()
}

// QueuePage is a part of what waits for the client, and how much that is in
// all; see session.Session.QueuePage. What waits in the log comes behind what the
// session holds, and is read there.
func (c *Client) QueuePage(from, limit int) (some []session.Waiting, total int) {
	c.mu.Lock()
	some, total = c.sess.QueuePage(from, limit), c.queued()
	look := c.lookInLog(max(from-c.sess.Queued(), 0), limit-len(some))
	c.mu.Unlock()
	return append(some, look.page()...), total
}
