package broker

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// willGrace is how long, in seconds, the wills of clients wait at least that
// were connected when the process ended, or were sent away: they may come back.
const willGrace = 30

// Restored is what Restore has found.
type Restored struct {
	Sessions, Subscriptions int
	Damaged                 int // records that can't be read: they are left alone
}

// Restore brings the durable sessions of the last run back, as those of clients
// that are away: with their subscriptions, their expiry and their wills. It is
// called once, before anybody connects or publishes. Sessions of other nodes are
// left to them. Records that can't be read
// are told to the log and left as they are. The error says why nothing could be
// read.
func (br *Broker) Restore() (Restored, error) {
	var found Restored
	d := br.durable
	if d == nil {
		return found, nil
	}
	b := br.NewBatch()
	defer b.End()
	back := false
	if err := d.settled(); err != nil {
		return found, err
	}
	var changed []*Client // written when all is read: what is written meanwhile could be read as well
	err := durable.Load(d.sessions.Each, durable.Loading{
		Found: func(s *durable.Session) error {
			if !d.mine(s) {
				return nil
			}
			c, err := br.restore(b, s)
			if err != nil {
				found.Damaged++
				br.log.Error("a session of the last run can't be restored", "client", s.ClientID, "err", err)
				return nil
			}
			if pulled := c.more.reader.pulled; s.OfflineAt == 0 || pulled || s.Node != d.self() {
				back = back || pulled
				changed = append(changed, c)
			}
			found.Sessions++
			found.Subscriptions += len(s.Subscriptions)
			return nil
		},
		Damaged: func(key string, err error) {
			found.Damaged++
			br.log.Error("the record of a session can't be read", "key", fmt.Sprintf("%.100q", key), "err", err)
		},
		Stray: func(key string) { d.records.Delete(key, d.strayed) },
	})
	for _, c := range changed {
		c.enter(b)
		c.keepRecord("")
		c.leave(b)
	}
	d.origins = nil
	if back { // before the log grows over the positions that are still on the disk
		d.settle()
	}
	return found, err
}

// restore makes the client of a record. One whose time is over goes again, with
// its will, as soon as timers run.
func (br *Broker) restore(b *Batch, s *durable.Session) (*Client, error) {
	c := &Client{broker: br, info: infoOf(s), zone: br.durable.zone(s.Zone), connectedAt: s.ConnectedAt, keepAlive: s.KeepAlive, receiveMax: s.ReceiveMaximum}
	c.self.Subscriber = c
	c.sess = session.New(&c.zone.Session, s.Created)
	c.sess.SetExpiryInterval(s.ExpiryInterval)
	c.cleanStart = s.CleanStart
	r := &reader{places: make([]place, len(br.durable.shards)), epoch: s.Epoch}
	r.chunks, r.layout, r.kept, r.known = s.Chunks, s.Layout, s.Epoch, true
	c.extra().reader = r
	c.sess.SetDurable(true)
	routes, err := c.resubscribe(s.Subscriptions)
	if err == nil {
		err = c.loadState(b)
	}
	if err != nil {
		return nil, err
	}
	c.goneSince(s, b.Now())
	c.enter(b)
	defer c.leave(b)
	if !br.clients.add(c) {
		c.ended = true
		return nil, fmt.Errorf("there is another one of the same client")
	}
	c.status.add(isDurable)
	br.durable.durables.Add(1)
	c.countPersistent(!s.CleanStart)
	for _, rt := range routes {
		f := split(rt.Filter)
		if f.Kind == topic.Exclusive && !br.exclusive.claim(c, f.Bare) {
			c.sess.Unsubscribe(rt.Filter)
			continue
		}
		c.route(rt, f, true)
	}
	c.routes()
	c.wake(c.sess.ExpiresAt())
	c.wake(c.sess.WillAt())
	return c, nil
}

// goneSince has the session's expiry and its will's delay run from the end of
// its last connection, or from now if the end of the process was that.
func (c *Client) goneSince(s *durable.Session, now int64) {
	w := s.Will
	if w != nil {
		delay := w.Delay
		if s.OfflineAt == 0 {
			delay = max(delay, willGrace)
		}
		c.sess.SetWill(&session.Will{Msg: w.Message, Delay: delay})
	}
	if s.OfflineAt != 0 {
		now = s.OfflineAt
	}
	c.sess.Disconnected(now)
}

// infoOf is who the client of a record was.
func infoOf(s *durable.Session) *hook.ClientInfo {
	i := &hook.ClientInfo{
		ClientID: s.ClientID, Username: s.Username, Mountpoint: s.Mountpoint, Peer: s.Peer, Version: s.Version,
		Bridge: s.Bridge, Superuser: s.Superuser, Anonymous: s.Anonymous, Expires: s.Expires,
		Listener: &hook.ListenerInfo{Name: s.Listener, Protocol: s.Protocol, Zone: s.Zone, Addr: netip.AddrPort{}},
	}
	if s.CommonName != "" || s.Subject != "" {
		i.Cert = &hook.CertInfo{CommonName: s.CommonName, Subject: s.Subject}
	}
	return i
}

// resubscribe gives the session its subscriptions, which have no routes yet.
func (c *Client) resubscribe(all []durable.Subscription) (routes []*route, err error) {
	r := c.more.reader
	for _, sub := range all {
		if _, err := topic.Parse(sub.Filter); err != nil {
			return nil, fmt.Errorf("its subscription %.100q: %w", sub.Filter, err)
		}
		rt := &route{to: &c.self, Subscription: session.Subscription{Filter: sub.Filter, SubscribeOptions: sub.SubscribeOptions, ID: sub.ID}}
		if _, err := c.sess.Subscribe(&rt.Subscription); err != nil && !errors.Is(err, mqtt.QuotaExceeded) {
			return nil, err
		} else if err != nil {
			continue // max_subscriptions has become smaller
		}
		if len(sub.Since) == len(r.places) {
			if r.since == nil {
				r.since = make(map[string][]uint64)
			}
			r.since[sub.Filter] = sub.Since
		}
		routes = append(routes, rt)
	}
	return routes, nil
}

// loadState gives the session its state, and the messages in it out of the log.
// A session without a state has read nothing: what it subscribes to says where
// it begins.
func (c *Client) loadState(b *Batch) error {
	r, d := c.more.reader, c.broker.durable
	record, ok, err := d.states.Get(c.info.ClientID)
	if err != nil {
		return err
	}
	if ok {
		if err := c.sess.Load(record); err != nil {
			return err
		}
	}
	for i := range r.places {
		r.places[i].next = max(c.sess.Read(i), 1)
		if d.several() { // what isn't here yet will come
			continue
		}
		_, last := d.log.Bounds(i) // a log that has lost its end, with the machine's power, begins again before
		r.pulled = r.pulled || c.sess.Read(i) > last+1
		r.places[i].next = min(r.places[i].next, last+1)
		for _, since := range r.since {
			r.pulled = r.pulled || since[i] > last+1
			since[i] = min(since[i], last+1)
		}
	}
	r.due = r.due || r.pulled
	if err := c.resolve(d); err != nil {
		return err
	}
	messages, err := c.pending(d)
	if err != nil {
		return err
	}
	b.client = c
	c.sess.Fill(func(at mqtt.At) *mqtt.Message { return messages[at] }, b)
	b.client = nil
	return nil
}

// pending reads the messages that were in flight.
func (c *Client) pending(d *durability) (map[mqtt.At]*mqtt.Message, error) {
	all := make(map[mqtt.At]*mqtt.Message)
	for _, at := range c.sess.Pending() {
		if at.Shard >= len(d.shards) {
			continue
		}
		e, there, err := d.readAt(d.ctx, at.Shard, at.Seq)
		if err != nil {
			return nil, err
		}
		if !there {
			continue // retention has deleted it
		}
		m, err := durable.ParseMessage(at, e.Topic, e.Record)
		if err != nil {
			return nil, err
		}
		all[at] = m.Message
	}
	return all, nil
}

// resolve finds out which of the client's QoS 2 messages that were on their way
// to the log, or to the delayed messages, have come there: those get a PUBREC when the client repeats them,
// and the others are new ones then.
func (c *Client) resolve(d *durability) error {
	for _, f := range c.sess.Doubtful() {
		there, err := d.has(c.info.ClientID, f)
		if err == nil && !there {
			there, err = d.delays(c.info.ClientID, f)
		}
		switch {
		case err != nil:
			return err
		case there:
			c.sess.Appended(f.ID, f.Num)
		default:
			c.sess.Missing(f.ID, f.Num)
		}
	}
	return nil
}

// has reports whether the log has a client's message.
func (d *durability) has(client string, f session.Flow) (bool, error) {
	if f.From.Shard >= len(d.shards) {
		return false, nil
	}
	last, err := d.settledLog(f.From.Shard)
	for from := max(f.From.Seq, 1); err == nil && from <= last; {
		entries, next, err := d.log.Read(d.ctx, f.From.Shard, from, nil, chunkMost)
		if err != nil {
			return false, err
		}
		for _, e := range entries {
			m, err := durable.ParseMessage(mqtt.At{Shard: e.Shard, Seq: e.Seq}, e.Topic, e.Record)
			if err == nil && m.From == client && m.Origin == originOf(f) {
				return true, nil
			}
		}
		if next <= from {
			return false, fmt.Errorf("shard %d of the log can't be read beyond %d", f.From.Shard, from)
		}
		from = next
	}
	return false, err
}

func originOf(f session.Flow) durable.Origin { return durable.Origin{PacketID: f.ID, Flow: f.Num} }

// delays reports whether a client's message is among the delayed ones. All of
// them are looked through once, as this is for the start.
func (d *durability) delays(client string, f session.Flow) (bool, error) {
	if d.delayed == nil {
		return false, nil
	}
	if d.origins == nil {
		d.origins = make(map[messageOrigin]bool)
		err := d.delayed.Each(func(_ string, value []byte) error {
			if m, err := parseKeptDelayed(value); err == nil && m.Origin != (durable.Origin{}) {
				d.origins[messageOrigin{m.From, m.Origin}] = true
			} // else it is left out when the others are brought in, which says so
			return nil
		})
		if err != nil {
			d.origins = nil
			return false, fmt.Errorf("the delayed messages can't be read: %w", err)
		}
	}
	return d.origins[messageOrigin{client, originOf(f)}], nil
}

// messageOrigin tells a message from all others of all clients.
type messageOrigin struct {
	client string
	durable.Origin
}
